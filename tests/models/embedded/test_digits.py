from collections import Counter

import pytest
from pydantic import ValidationError
from sklearn.datasets import load_digits

from oversight.models.embedded.digits.images import load_images, read_pixels
from oversight.tasks.digits import Digits


def test_the_images_are_those_of_scikit_learn():
    theirs, ours = load_digits(), load_images()
    assert ours.pixels.tolist() == theirs.data.tolist()
    assert ours.digits.tolist() == theirs.target.tolist()


def items(seed=0, **options):
    return list(Digits(Digits.Options(**options)).items(seed))


def truth(item):
    return int(item.question.answers[item.gold].text)


@pytest.mark.parametrize(
    ("lies", "each", "answers"), [("random", 1, 2), ("hardest", 1, 2), ("all", 9, 2), ("open", 1, 10)]
)
def test_questions_are_well_formed(lies, each, answers):
    images = load_images()
    asked = items(images=20, lies=lies)
    assert len(asked) == 20 * each
    assert set(Counter(item.question.cluster for item in asked).values()) == {each}
    assert len({item.question.id for item in asked}) == len(asked)
    for item in asked:
        digits = [int(answer.text) for answer in item.question.answers]
        row = int(item.question.cluster.removeprefix("image-"))
        assert digits == sorted(set(digits))
        assert len(digits) == answers
        assert truth(item) == images.digits[row]
        assert row in images.test_rows
        assert [pixel.value for pixel in read_pixels(item.question.material)] == images.pixels[row].tolist()
        assert not list(read_pixels(item.question.prompt))


def test_arms_with_different_lies_are_about_the_same_images_in_the_same_order():
    clusters = {
        lies: list(dict.fromkeys(item.question.cluster for item in items(seed=3, images=30, lies=lies, shown=2)))
        for lies in ("random", "hardest", "all", "open")
    }
    assert len(set(map(tuple, clusters.values()))) == 1
    prompts = {
        (item.question.cluster, item.question.prompt)
        for lies in ("random", "all")
        for item in items(seed=3, images=30, lies=lies, shown=2)
    }
    assert len(prompts) == 30


def test_neither_id_nor_order_tells_the_truth():
    asked = items(images=200)
    assert 60 < sum(item.gold for item in asked) < 140
    for item in asked:
        assert item.question.id.endswith("/" + "-".join(answer.text for answer in item.question.answers))


def test_the_seed_decides_what_is_drawn():
    assert items(images=10) == items(images=10)
    assert [i.question.id for i in items(images=10)] != [i.question.id for i in items(seed=1, images=10)]


def test_shown_pixels_are_true_nonzero_and_distinct():
    images = load_images()
    for item in items(images=10, shown=3):
        pixels = list(read_pixels(item.question.prompt))
        image = images.pixels[int(item.question.cluster.removeprefix("image-"))]
        assert len({pixel.place for pixel in pixels}) == 3
        assert all(pixel.value == image[pixel.place] > 0 for pixel in pixels)


def test_unknown_options_and_too_many_images_are_refused():
    for wrong in ({"image": 3}, {"images": 501}, {"lies": "none"}):
        with pytest.raises(ValidationError):
            Digits.Options(**wrong)
