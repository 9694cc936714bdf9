"""What the bayesian strategy believes of points it has not seen: a model of the scores, from scikit-optimize.

skopt's regressors are used as they are, with two things done by us because its own ways cost seconds an ask at 300
observations: how smooth the scores are along each axis is fitted here (the same likelihood, with priors), and
predictions go through the Cholesky factor instead of the inverse.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SurrogateName = Literal["gp", "forest"]

_REFIT = 1.2
"""The settings of the process are fitted anew when there are so many times as many observations."""
# Priors of what is fitted, as mean and spread of logarithms. Encoded axes run from 0 to 1 and scores have spread
# 1: without evidence an axis is taken to change the score slowly, and the scores to be more signal than noise.
_LENGTH_PRIOR = (float(np.log(1.0)), 1.0)
_SIGNAL_PRIOR = (0.0, 1.0)
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
    """A Gaussian process (Matern 5/2, a length for each axis); its settings from the first ``trusted`` rows.

    Rows behind those are guesses about trials under way: they take part, and teach it nothing of smoothness.
    """
    from skopt.learning import GaussianProcessRegressor
    from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern

    shift, scale = float(np.mean(y[:trusted])), float(np.std(y[:trusted])) or 1.0
    rows = _rows_to_fit(trusted)
    lengths, signal, extra, share = settings_of(x[:rows], (y[:rows] - shift) / scale, noise[:rows] / scale**2)
    kernel = ConstantKernel(signal) * Matern(length_scale=lengths, nu=2.5)
    alpha = share * noise / scale**2 + extra + _JITTER
    process = GaussianProcessRegressor(kernel=kernel, alpha=alpha, optimizer=None)
    process.fit(x, (y - shift) / scale)
    return _Process(process, shift, scale)


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


def settings_of(x: Array, y: Array, noise: Array) -> tuple[Array, float, float, float]:
    """The most probable lengths, variance of signal, variance of unknown noise, and share of the known noise."""
    return _settings_of(x.shape, x.tobytes(), y.tobytes(), noise.tobytes())


@lru_cache(maxsize=64)
def _settings_of(shape: tuple[int, int], *data: bytes) -> tuple[Array, float, float, float]:
    from scipy.optimize import minimize

    x, y, noise = (np.frombuffer(one) for one in data)
    x = x.reshape(shape)
    axes = shape[1]
    squares = np.ascontiguousarray((x[:, None, :] - x[None, :, :]).transpose(2, 0, 1) ** 2)
    means, spreads = np.array([_LENGTH_PRIOR] * axes + [_SIGNAL_PRIOR, _NOISE_PRIOR, _SHARE_PRIOR]).T

    def loss(theta: Array) -> tuple[float, Array]:
        likelihood, gradient = log_likelihood(theta, squares, y, noise)
        off = (theta - means) / spreads
        return 0.5 * float(off @ off) - likelihood, off / spreads - gradient

    bounds = list(zip(means - 4 * spreads, means + 4 * spreads, strict=True))
    found = minimize(loss, means, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 50})
    signal, extra, share = (float(one) for one in np.exp(found.x[axes:]))
    return np.exp(found.x[:axes]), signal, extra, share


def log_likelihood(theta: Array, squares: Array, y: Array, noise: Array) -> tuple[float, Array]:
    """How well settings explain the scores, and its gradient.

    ``theta`` holds logarithms of the lengths, the signal's variance, the unknown noise's variance and the share of
    the known one; ``squares`` the squared differences along each axis. skopt's own takes ten times as long, as it
    makes a matrix for each axis and passes over it several times. (Rasmussen and Williams, Gaussian Processes for
    Machine Learning, 2.30 and 5.9.)
    """
    from scipy.linalg import cho_solve, cholesky

    count, axes = len(y), len(squares)
    weights = np.exp(-2 * theta[:axes])
    signal, extra, share = np.exp(theta[axes:])
    distance = np.sqrt(np.tensordot(weights, squares, 1) * 5.0)
    decay = np.exp(-distance)
    covariance = signal * (1 + distance + distance**2 / 3) * decay
    lower = cholesky(covariance + np.diag(share * noise + extra + _JITTER), lower=True, check_finite=False)
    inverse = cho_solve((lower, True), np.eye(count), check_finite=False)
    solved = inverse @ y
    likelihood = (
        -0.5 * float(y @ solved) - float(np.log(np.diag(lower)).sum()) - 0.5 * count * float(np.log(2 * np.pi))
    )
    slope = np.outer(solved, solved) - inverse
    # d k / d log length = signal * 5/3 * (1 + distance) * exp(-distance) * square / length^2
    by_square = slope * decay * (1 + distance) * (signal * 5.0 / 3.0)
    gradient = np.empty(axes + 3)
    gradient[:axes] = 0.5 * weights * np.tensordot(squares, by_square, 2)
    gradient[axes] = 0.5 * float(np.sum(slope * covariance))
    gradient[axes + 1] = 0.5 * float(extra) * float(np.trace(slope))
    gradient[axes + 2] = 0.5 * float(share) * float(np.diag(slope) @ noise)
    return likelihood, gradient
