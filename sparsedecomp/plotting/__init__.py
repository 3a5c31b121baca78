"""Pictures of a decomposition: components, relevance, convergence."""

from sparsedecomp.plotting.components import plot_components
from sparsedecomp.plotting.fit import plot_objective_history, plot_relevance

__all__ = ["plot_components", "plot_objective_history", "plot_relevance"]
