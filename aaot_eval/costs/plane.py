"""Where the draws lie on the cost-effectiveness plane: density contours instead of thousands of dots."""

from __future__ import annotations

import numpy as np

DIRECTIONS = 60
MOST_POINTS = 2000  # the first draws are as good as any, and the work grows with their square
STEPS = 80
REACH = 6.0


def contour(x: np.ndarray, y: np.ndarray, share: float) -> np.ndarray:
    """The outline (60, 2) of the densest region that holds `share` of the draws (x, y).

    Gaussian kernel density of the draws, each axis scaled by its own spread; along each of 60 directions from the densest
    draw the last place whose density is above the level that `share` of the draws exceed. No rows when an axis does not vary.
    """
    points = np.column_stack([x, y])[:MOST_POINTS].astype(float)
    centre, spread = points.mean(axis=0), points.std(axis=0)
    if not (spread > 1e-12 * np.maximum(1.0, np.abs(points).max(axis=0))).all():
        return np.empty((0, 2))
    z = (points - centre) / spread
    width = len(z) ** (-1 / 6)
    density = _density(z, z, width)
    least = np.quantile(density, 1 - share)
    start = z[int(np.argmax(density))]
    turn = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    stretch = np.linalg.cholesky(np.cov(z.T) + width**2 * np.eye(2))
    ways = np.column_stack([np.cos(turn), np.sin(turn)]) @ stretch.T
    radii = np.linspace(0, REACH, STEPS + 1)
    edge = np.array([_edge(start, way, radii, z, width, least) for way in ways])
    return np.asarray(edge * spread + centre)


def _edge(
    start: np.ndarray, way: np.ndarray, radii: np.ndarray, z: np.ndarray, width: float, least: float
) -> np.ndarray:
    """The last place along a direction where the density is at least `least`, between two steps by the straight line."""
    heights = _density(start + radii[:, None] * way, z, width)
    inside = np.flatnonzero(heights >= least)
    last = int(inside[-1]) if len(inside) else 0
    if last == len(radii) - 1:
        return np.asarray(start + radii[-1] * way)
    drop = heights[last] - heights[last + 1]
    part = (heights[last] - least) / drop if drop > 0 else 0.0
    return np.asarray(start + (radii[last] + part * (radii[last + 1] - radii[last])) * way)


def _density(at: np.ndarray, z: np.ndarray, width: float) -> np.ndarray:
    """Kernel density (up to a constant) at places (m, 2) from draws (n, 2)."""
    apart = ((at[:, None, 0] - z[None, :, 0]) ** 2 + (at[:, None, 1] - z[None, :, 1]) ** 2) / (2 * width**2)
    return np.asarray(np.exp(-apart).sum(axis=1))
