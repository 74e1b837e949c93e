"""Fit hierarchical models with crossed random intercepts: a posterior by Laplace's approximation.

An outcome, a share or any number, depends on fixed effects and on random intercepts, such as of question and judge,
that are drawn from normal distributions of unknown standard deviation. For given standard deviations the effects are
integrated out by Laplace's approximation, exactly for normal outcomes (Tierney and Kadane 1986); the standard
deviations are integrated out by importance sampling around their mode, as in INLA (Rue, Martino and Chopin 2009). The
joint mode that a plain maximum a posteriori fit gives has no variance of random effects, and variational fits treat
effects as independent, so that intervals of their sums are wrong; neither is used here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.sparse import csr_array, diags_array, hstack
from scipy.special import expit, log_expit, logsumexp
from scipy.stats import multivariate_t
from threadpoolctl import threadpool_limits

from oversight.stats.estimate import Estimate
from oversight.stats.intervals import Floats, Places

__all__ = ["Family", "Posterior", "fit_mixed"]

Family = Literal["logit", "normal"]
"""Outcomes from 0 to 1 with a logistic link, or normal outcomes."""

_INTERCEPT = "intercept"
_RESIDUAL = "residual"
_SPREADS = 200
"""How many draws of the standard deviations there are."""
_EACH = 20
"""How many draws of the effects for each of these."""
_FREEDOM = 5
"""Of Student's t from which standard deviations are drawn: heavier tails than the posterior's."""
_STEP = 0.2
"""In log standard deviation, for the curvature at the mode."""
_CONVERGED = 1e-5
"""Newton's method stops where no effect moves by more."""


class Posterior(NamedTuple):
    """Draws of a fitted model's parameters.

    Attributes:
        fixed: each fixed effect's, the intercept among them, (draws,).
        random: for each group the effects of its levels, (draws, levels).
        levels: the levels of each group, in the order of the columns of ``random``.
        deviations: standard deviations of each group's effects, and ``residual`` for normal outcomes, (draws,).
        effective: how many independent draws of the standard deviations these are worth (Kish 1965), of 200.
        n: observations.
    """

    fixed: dict[str, Floats]
    random: dict[str, Floats]
    levels: dict[str, list[str]]
    deviations: dict[str, Floats]
    effective: float
    n: int

    def measured(self, draws: Floats) -> Estimate:
        """Return the mean of a quantity's draws with its 95 % credible interval."""
        low, high = np.quantile(draws, [0.025, 0.975])
        return Estimate(
            value=float(draws.mean()), n=self.n, low=float(low), high=float(high), interval="credible, Laplace"
        )


class _Model(NamedTuple):
    """What the likelihood is made of: ``design`` has a column for each effect, ``group`` says whose it is (-1: fixed).

    ``prior`` holds the prior standard deviation of fixed effects, for the rest it is not used.
    """

    y: Floats
    design: csr_array[np.float64]
    group: Places
    prior: Floats
    family: Family
    groups: int


class _Mode(NamedTuple):
    """The effects' mode for given standard deviations, the Cholesky factor of its precision, log p(y, deviations)."""

    effects: Floats
    factor: Floats
    density: float


def fit_mixed(
    y: npt.ArrayLike,
    fixed: Mapping[str, npt.ArrayLike],
    random: Mapping[str, Sequence[object]],
    *,
    family: Family,
    scale: float = 1.0,
    seed: int = 0,
) -> Posterior:
    """Fit a model with fixed effects and crossed random intercepts.

    Priors are those of the analysis plan of DC-Debates (Recchia et al. 2026), in log-odds or units of ``y``: the
    intercept normal with standard deviation 2, other fixed effects with 1, standard deviations half-normal with 1.

    Args:
        y: the outcomes, (n,); within 0 to 1 for ``"logit"``.
        fixed: the values of each fixed effect's variable, (n,); the intercept is added.
        random: for each group the level of each observation; None where the group has no effect on it.
        family: of the outcomes.
        scale: multiplies every prior's standard deviation, where outcomes are in other units.
        seed: of the draws.

    Raises:
        ValueError: there is no observation, or outcomes of ``"logit"`` are not within 0 to 1.
    """
    outcome = np.asarray(y, dtype=np.float64)
    if not len(outcome):
        raise ValueError("there is no observation to fit")
    if family == "logit" and not ((outcome >= 0) & (outcome <= 1)).all():
        raise ValueError("outcomes of a logistic model must be within 0 to 1")
    names = [_INTERCEPT, *fixed]
    columns = [np.ones(len(outcome)), *(np.asarray(each, dtype=np.float64) for each in fixed.values())]
    coded = {name: _coded(held) for name, held in random.items()}
    blocks = [csr_array(np.column_stack(columns))]
    at = np.arange(len(outcome))
    for codes, seen in coded.values():
        own = codes >= 0
        places = (at[own], codes[own])
        blocks.append(csr_array((np.ones(own.sum()), places), shape=(len(outcome), len(seen))))
    sizes = [len(names), *(len(seen) for _, seen in coded.values())]
    model = _Model(
        outcome,
        csr_array(hstack(blocks)),
        np.repeat(np.arange(-1, len(coded)), sizes),
        scale * np.where(np.arange(sum(sizes)) == 0, 2.0, 1.0),
        family,
        len(coded),
    )
    # The matrices are too small to share out: with a thread for each of two busy cores they took ten times as long.
    with threadpool_limits(limits=1, user_api="blas"):
        effects, spreads, effective = _draws(model, scale, np.random.default_rng(seed))
    ends = np.cumsum(sizes)
    parts = dict(zip(coded, np.split(effects[:, sizes[0] :], ends[1:-1] - sizes[0], axis=1), strict=True))
    return Posterior(
        fixed={name: effects[:, place] for place, name in enumerate(names)},
        random=parts,
        levels={name: seen for name, (_, seen) in coded.items()},
        deviations=dict(zip([*coded, *([_RESIDUAL] if family == "normal" else [])], spreads.T, strict=True)),
        effective=effective,
        n=len(outcome),
    )


def _coded(held: Sequence[object]) -> tuple[Places, list[str]]:
    """Return the level of each observation by number, -1 for None, and the levels by name."""
    levels = sorted({str(each) for each in held if each is not None})
    places = {level: place for place, level in enumerate(levels)}
    return np.array([-1 if each is None else places[str(each)] for each in held], dtype=np.intp), levels


def _draws(model: _Model, scale: float, rng: np.random.Generator) -> tuple[Floats, Floats, float]:
    """Return draws of the effects and of the standard deviations, and the effective number of the latter."""
    count = model.groups + (model.family == "normal")
    start = np.log(scale * np.full(count, 0.5))
    if model.family == "normal":
        start[-1] = np.log(max(float(model.y.std()), 1e-3 * scale))
    warm = np.zeros(model.design.shape[1])

    def loss(logs: Floats) -> float:
        mode = _mode(model, logs, scale, warm)
        warm[:] = mode.effects  # the next search starts near its end
        return -mode.density

    centre = minimize(loss, start, method="Nelder-Mead", options={"xatol": 0.05, "fatol": 0.02}).x
    loss(centre)
    proposal = multivariate_t(centre, _spread_at(loss, centre), df=_FREEDOM, seed=rng)
    tried = proposal.rvs(_SPREADS).reshape(_SPREADS, count)
    modes = [_mode(model, logs, scale, warm) for logs in tried]
    weight = np.array([mode.density for mode in modes]) - proposal.logpdf(tried)
    weight = np.exp(weight - logsumexp(weight))
    # Systematic resampling: as many draws of each as it weighs.
    places = (np.arange(_SPREADS * _EACH) + rng.random()) / (_SPREADS * _EACH)
    chosen = np.minimum(np.searchsorted(np.cumsum(weight), places), _SPREADS - 1)
    noise = rng.standard_normal((len(chosen), len(warm)))
    effects = np.empty_like(noise)
    for each in np.unique(chosen):
        here = chosen == each
        effects[here] = modes[each].effects + solve_triangular(modes[each].factor, noise[here].T, lower=True, trans=1).T
    return effects, np.exp(tried[chosen]), float(1 / (weight**2).sum())


def _spread_at(loss: Callable[[Floats], float], centre: Floats) -> Floats:
    """Return the inverse curvature of a loss at its minimum, made positive where the surface is flat."""
    steps = np.eye(len(centre)) * _STEP
    bend = np.array(
        [
            [
                loss(centre + one + other)
                - loss(centre + one - other)
                - loss(centre - one + other)
                + loss(centre - one - other)
                for other in steps
            ]
            for one in steps
        ]
    ) / (4 * _STEP**2)
    values, vectors = np.linalg.eigh((bend + bend.T) / 2)
    return np.asarray((vectors / np.maximum(values, 1.0)) @ vectors.T)


def _mode(model: _Model, logs: Floats, scale: float, start: Floats) -> _Mode:
    """Find the effects' mode by Newton's method, with Laplace's approximation to the density of data and deviations.

    Args:
        model: the model.
        logs: of the standard deviations of each group, then of the residual.
        scale: of the half-normal priors of the standard deviations.
        start: effects to start from.
    """
    spreads = np.exp(logs)
    deviations = np.where(model.group < 0, model.prior, spreads[np.maximum(model.group, 0)])
    precision = 1 / deviations**2
    residual = float(spreads[-1]) if model.family == "normal" else 1.0
    effects = start
    for _ in range(50):
        slope, bend = _curvature(model, model.design @ effects, residual)
        weighted = (model.design.T @ diags_array(bend) @ model.design).toarray()
        weighted[np.diag_indices_from(weighted)] += precision
        factor = cho_factor(weighted, lower=True)
        step = cho_solve(factor, model.design.T @ slope - precision * effects)
        # Log-odds that move by more than this leave the region in which the quadratic holds.
        reach = float(np.abs(step).max())
        effects = effects + step * min(1.0, 3.0 / max(reach, 1e-12)) if model.family == "logit" else effects + step
        if reach < _CONVERGED or model.family == "normal":
            break
    lower = np.tril(factor[0])
    # Constants that do not depend on the deviations are left out; logs.sum() is the Jacobian of the logarithm.
    density = (
        _likelihood(model, model.design @ effects, residual)
        - 0.5 * float((precision * effects**2).sum())
        - float(np.log(deviations).sum())
        - float(np.log(np.diag(lower)).sum())
        - 0.5 * float((spreads**2).sum()) / scale**2
        + float(logs.sum())
    )
    return _Mode(effects, lower, density)


def _curvature(model: _Model, linear: Floats, residual: float) -> tuple[Floats, Floats]:
    """Return the first derivative of the log-likelihood by each linear predictor, and minus the second."""
    if model.family == "normal":
        return (model.y - linear) / residual**2, np.full(len(linear), residual**-2)
    chance = expit(linear)
    return model.y - chance, chance * (1 - chance)


def _likelihood(model: _Model, linear: Floats, residual: float) -> float:
    if model.family == "normal":
        return float(-0.5 * (((model.y - linear) / residual) ** 2).sum() - len(linear) * np.log(residual))
    return float((model.y * log_expit(linear) + (1 - model.y) * log_expit(-linear)).sum())
