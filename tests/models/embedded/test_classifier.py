from pathlib import Path

import numpy as np
import platformdirs
import pytest

from oversight.models.embedded.digits import array_cache, classifier
from oversight.models.embedded.digits.classifier import scaled, sparse_views, train
from oversight.models.embedded.digits.images import Pixel, load_images, read_pixels, render_image
from oversight.models.embedded.digits.pixel_models import PixelDebater, PixelJudge

FIELDS = ("weights", "bias")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Path(platformdirs.user_cache_dir("oversight"))


class Maker:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"weights": np.arange(6, dtype=np.float32), "bias": np.ones(2, np.float32)}


def recall(make, **key):
    return array_cache.remembered("thing", key, FIELDS, make)


def test_accuracy_on_four_random_pixels_is_about_a_half(judge):
    images = load_images()
    inputs, digits = scaled(images.pixels[images.test_rows]), images.digits[images.test_rows]
    generator = np.random.default_rng(0)
    views = [sparse_views(inputs, 4, generator, fewer=0) for _ in range(20)]
    assert all((view[:, :64].sum(axis=1) == 4).all() and (view[:, 64:][view[:, :64] == 1] > 0).all() for view in views)
    named = [judge.output(view @ judge.hidden_weights + judge.hidden_bias).argmax(axis=1) for view in views]
    assert 0.45 < np.mean(np.array(named) == digits) < 0.55


def test_nothing_seen_is_next_to_nothing_known(judge):
    logits = judge.logits([])
    assert logits.max() - logits.min() < 0.7


def test_the_same_seed_trains_the_same_judge_in_a_few_steps(monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 50)
    first, again, other = train(4, 0), train(4, 0), train(4, 1)
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.array_equal(first.hidden_weights, other.hidden_weights)


@pytest.mark.long
def test_the_same_seed_trains_the_same_judge(judge):
    for one, other in zip(train(4, 0), judge, strict=True):
        np.testing.assert_array_equal(one, other)


def test_both_models_prepare_the_same_state(judge):
    settings = {"model": "embedded/x", "seed": 0}
    for model in (PixelJudge, PixelDebater):
        state = model.prepare(model.Settings(**settings), seed=17)
        assert all(np.array_equal(state[name], array) for name, array in judge.state.items())
        model(model.Settings(**settings), state)
        with pytest.raises(TypeError):
            model(model.Settings(**settings), None)


def test_arrays_are_made_once_per_key(cache):
    make = Maker()
    first = recall(make, seed=0)
    again = recall(make, seed=0)
    assert make.calls == 1
    assert all(np.array_equal(first[field], again[field]) for field in FIELDS)
    recall(make, seed=1)
    assert make.calls == 2
    assert [file.suffix for file in cache.iterdir()] == [".npz", ".npz"]


@pytest.mark.parametrize("damage", [b"", b"not an archive", None, "flip"])
def test_a_damaged_file_is_made_again(cache, damage):
    make = Maker()
    recall(make)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    if damage == "flip":
        middle = whole.index(b"NUMPY") + 100
        damage = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert np.array_equal(recall(make)["weights"], np.arange(6))
    assert make.calls == 2
    recall(make)
    assert make.calls == 2


def test_a_cache_that_cannot_be_written_is_done_without(cache):
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where the folder should be")
    make = Maker()
    assert set(recall(make)) == set(FIELDS)
    recall(make)
    assert make.calls == 2


def test_images_are_split_once_for_all():
    images = load_images()
    assert len(images.train_rows) == 1297
    assert len(images.test_rows) == 500
    assert not set(images.train_rows) & set(images.test_rows)


def test_an_image_survives_being_written_as_text():
    image = load_images().pixels[0]
    pixels = list(read_pixels(render_image(image)))
    assert [pixel.place for pixel in pixels] == list(range(64))
    assert [pixel.value for pixel in pixels] == image.tolist()
    assert render_image(image).splitlines()[0].split()[:2] == ["r0c0=0", "r0c1=0"]


def test_only_whole_pixels_are_read():
    read = list(read_pixels("r1c2=3. R4C5 = 16, r8c1=2 r1c1=17 xr1c1=1 r1c1=123 r1c1=1.5"))
    assert read == [Pixel(10, 3), Pixel(37, 16)]
