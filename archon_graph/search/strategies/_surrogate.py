"""What the bayesian strategy believes of points it has not seen: a model of the scores, from scikit-optimize.

skopt's regressors are used as they are, with two things done by us because its own ways cost seconds an ask at 300
observations: how smooth the scores are along each axis is fitted here (the same likelihood, with priors), and
predictions go through the Cholesky factor instead of the inverse.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SurrogateName = Literal["gp", "forest"]

_REFIT = 1.2
"""The settings of the process are fitted anew when there are so many times as many observations."""
# Priors of what is fitted, as mean and spread of logarithms. Encoded axes run from 0 to 1 and scores have spread
# 1: without evidence an axis is taken to change the score slowly, and the scores to be more signal than noise.
_LENGTH_PRIOR = (float(np.log(1.0)), 1.0)
_SINGLE_PRIOR = (float(np.log(2.0)), 1.0)
_SIGNAL_PRIOR = (float(np.log(0.5)), 1.0)
_NOISE_PRIOR = (float(np.log(0.01)), 1.5)
# Trials of one study answer the same questions, so a part of each score's error is common to all of them and does
# not disturb their order. How large a share is left is fitted, too.
_SHARE_PRIOR = (float(np.log(0.5)), 0.5)


_JITTER = 1e-8
"""Keeps the matrix positive where scores have no noise."""


@lru_cache(maxsize=1)
def _pools() -> Any:
    """Where the threads are; looked up once, as that takes longer than many an ask."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Within it linear algebra runs on one thread: on matrices so small, more threads only wait for each other."""
    # Loaded first, or its threads would not be found.
    import skopt.learning  # noqa: F401

    context: AbstractContextManager[Any] = _pools().limit(limits=1)
    return context


class Surrogate(Protocol):
    """Predicts scores, in the units that they were given in."""

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation at each row."""


def fit_process(x: Array, y: Array, noise: Array, trusted: int) -> Surrogate:
    """A Gaussian process: what each axis does alone, plus what they do together.

    The first part is a sum of one process for each encoded number (1 minus the distance, so that the score bends
    at any value), the second a Matern 5/2 kernel with a length for each. Much of what makes an architecture good
    comes of single choices, and a sum says so of places far from all that was tried, where the second part knows
    nothing. (Duvenaud, Nickisch, Rasmussen: Additive Gaussian Processes, 2011.)

    Settings are fitted to the first ``trusted`` rows. Those behind are guesses about trials under way: they take
    part, and teach it nothing of smoothness.
    """
    from skopt.learning import GaussianProcessRegressor
    from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern

    shift, scale = float(np.mean(y[:trusted])), float(np.std(y[:trusted])) or 1.0
    rows = _rows_to_fit(trusted)
    found = settings_of(x[:rows], (y[:rows] - shift) / scale, noise[:rows] / scale**2)
    together = ConstantKernel(found.signal) * Matern(length_scale=found.lengths, nu=2.5)
    kernel = ConstantKernel(found.single) * _alone_kernel()() + together
    alpha = found.share * noise / scale**2 + found.extra + _JITTER
    process = GaussianProcessRegressor(kernel=kernel, alpha=alpha, optimizer=None)
    process.fit(x, (y - shift) / scale)
    return _Process(process, shift, scale)


@lru_cache(maxsize=1)
def _alone_kernel() -> type[Any]:
    """The kernel of what each axis does alone, as a class that scikit-optimize can add to others."""
    from skopt.learning.gaussian_process.kernels import Kernel

    class Alone(Kernel):  # type: ignore[misc]  # scikit-optimize has no types
        """1 minus the mean distance over all numbers; they lie between 0 and 1."""

        def __init__(self) -> None:
            """Without settings; scikit-learn reads them from here."""

        def __call__(self, x: Array, y: Array | None = None, **_: object) -> Array:
            return alone(x, x if y is None else y)

        def diag(self, x: Array) -> Array:
            return np.ones(len(x))

        def is_stationary(self) -> bool:
            return True

    return Alone


def alone(x: Array, y: Array) -> Array:
    """How alike rows are: 1 minus the mean distance over all numbers.

    Each number's part, 1 minus a distance of at most 1, is the triangular kernel, which is positive definite.
    """
    from scipy.spatial.distance import cdist

    return np.asarray(1.0 - cdist(x, y, "cityblock") / x.shape[1])


class _Process:
    """A fitted process, with predictions that are fast."""

    def __init__(self, process: Any, shift: float, scale: float) -> None:
        self._process, self._shift, self._scale = process, shift, scale

    def predict(self, x: Array) -> tuple[Array, Array]:
        from scipy.linalg import solve_triangular

        process = self._process
        between = process.kernel_(x, process.X_train_)
        half = solve_triangular(process.L_, between.T, lower=True, check_finite=False)
        variance = process.kernel_.diag(x) - np.einsum("ij,ij->j", half, half)
        mean = between @ process.alpha_
        return mean * self._scale + self._shift, np.sqrt(np.maximum(variance, 0.0)) * self._scale


def fit_forest(x: Array, y: Array, seed: int) -> Surrogate:
    """A forest of trees split by chance; it cannot take the noise of single scores into account."""
    from skopt.learning import ExtraTreesRegressor

    forest = ExtraTreesRegressor(n_estimators=100, min_samples_leaf=2, min_variance=1e-9, random_state=seed)
    forest.fit(x, y)
    return _Forest(forest)


class _Forest:
    """A fitted forest."""

    def __init__(self, forest: Any) -> None:
        self._forest = forest

    def predict(self, x: Array) -> tuple[Array, Array]:
        mean, deviation = self._forest.predict(x, return_std=True)
        return np.asarray(mean), np.asarray(deviation)


def _rows_to_fit(count: int) -> int:
    """A beginning of the rows that stays the same for a while, so that fits of one study can be remembered."""
    rows = 4.0
    while rows * _REFIT <= count:
        rows *= _REFIT
    return min(int(rows), count)


class Settings(NamedTuple):
    """What is fitted."""

    lengths: Array
    """How far along each axis scores stay alike."""
    single: float
    """Variance of what the axes do alone."""
    signal: float
    """Variance of what they do together."""
    extra: float
    """Variance of noise that nobody told of."""
    share: float
    """Share of the noise that was told of."""


def settings_of(x: Array, y: Array, noise: Array) -> Settings:
    """The most probable settings."""
    return _settings_of(x.shape, x.tobytes(), y.tobytes(), noise.tobytes())


@lru_cache(maxsize=64)
def _settings_of(shape: tuple[int, int], *data: bytes) -> Settings:
    from scipy.optimize import minimize

    x, y, noise = (np.frombuffer(one) for one in data)
    x = x.reshape(shape)
    axes = shape[1]
    squares = np.ascontiguousarray((x[:, None, :] - x[None, :, :]).transpose(2, 0, 1) ** 2)
    likeness = alone(x, x)
    priors = [_LENGTH_PRIOR] * axes + [_SINGLE_PRIOR, _SIGNAL_PRIOR, _NOISE_PRIOR, _SHARE_PRIOR]
    means, spreads = np.array(priors).T

    def loss(theta: Array) -> tuple[float, Array]:
        likelihood, gradient = log_likelihood(theta, squares, likeness, y, noise)
        off = (theta - means) / spreads
        return 0.5 * float(off @ off) - likelihood, off / spreads - gradient

    bounds = list(zip(means - 4 * spreads, means + 4 * spreads, strict=True))
    found = minimize(loss, means, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 50})
    return Settings(np.exp(found.x[:axes]), *(float(one) for one in np.exp(found.x[axes:])))


def log_likelihood(theta: Array, squares: Array, likeness: Array, y: Array, noise: Array) -> tuple[float, Array]:
    """How well settings explain the scores, and its gradient.

    ``theta`` holds logarithms of `Settings`, in their order; ``squares`` the squared differences along each axis,
    ``likeness`` what `alone` says. skopt's own takes ten times as long, as it makes a matrix for each axis and
    passes over it several times. (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2.30 and 5.9.)
    """
    from scipy.linalg import cho_solve, cholesky

    count, axes = len(y), len(squares)
    weights = np.exp(-2 * theta[:axes])
    single, signal, extra, share = np.exp(theta[axes:])
    distance = np.sqrt(np.tensordot(weights, squares, 1) * 5.0)
    decay = np.exp(-distance)
    together = signal * (1 + distance + distance**2 / 3) * decay
    covariance = single * likeness + together + np.diag(share * noise + extra + _JITTER)
    lower = cholesky(covariance, lower=True, check_finite=False)
    inverse = cho_solve((lower, True), np.eye(count), check_finite=False)
    solved = inverse @ y
    likelihood = -0.5 * float(y @ solved + count * np.log(2 * np.pi)) - float(np.log(np.diag(lower)).sum())
    slope = np.outer(solved, solved) - inverse
    # d k / d log length = signal * 5/3 * (1 + distance) * exp(-distance) * square / length^2
    by_square = slope * decay * (1 + distance) * (signal * 5.0 / 3.0)
    gradient = np.empty(axes + 4)
    gradient[:axes] = weights * np.tensordot(squares, by_square, 2)
    gradient[axes] = single * np.sum(slope * likeness)
    gradient[axes + 1] = np.sum(slope * together)
    gradient[axes + 2] = extra * np.trace(slope)
    gradient[axes + 3] = share * (np.diag(slope) @ noise)
    return likelihood, 0.5 * gradient
