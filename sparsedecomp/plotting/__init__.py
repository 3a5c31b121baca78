"""Figures of decompositions, fits, checks and reports, drawn with matplotlib."""

from sparsedecomp.plotting.bands import plot_bands
from sparsedecomp.plotting.components import plot_components
from sparsedecomp.plotting.cone import plot_cone
from sparsedecomp.plotting.data_check import plot_data_check
from sparsedecomp.plotting.dose import plot_dose_plan
from sparsedecomp.plotting.exafs import (
    plot_exafs_fit,
    plot_lasso_path,
    plot_shell_posterior,
)
from sparsedecomp.plotting.fit import plot_objective_history, plot_relevance
from sparsedecomp.plotting.fusion import plot_fusion
from sparsedecomp.plotting.mixture import plot_mixture, plot_target_transform
from sparsedecomp.plotting.rank import plot_rank
from sparsedecomp.plotting.report import plot_unmixing_report
from sparsedecomp.plotting.resolution import plot_resolution, plot_tuning
from sparsedecomp.plotting.restoration import (
    plot_certificate,
    plot_deblurring,
    plot_inpainting,
    plot_restoration,
)
from sparsedecomp.plotting.segmentation import plot_segmentation
from sparsedecomp.plotting.sparsity import plot_sparsity
from sparsedecomp.plotting.super_resolution import plot_plan
from sparsedecomp.plotting.tensor import plot_tensor

__all__ = [
    "plot_bands",
    "plot_certificate",
    "plot_components",
    "plot_cone",
    "plot_data_check",
    "plot_deblurring",
    "plot_dose_plan",
    "plot_exafs_fit",
    "plot_fusion",
    "plot_inpainting",
    "plot_lasso_path",
    "plot_mixture",
    "plot_objective_history",
    "plot_plan",
    "plot_rank",
    "plot_relevance",
    "plot_resolution",
    "plot_restoration",
    "plot_segmentation",
    "plot_shell_posterior",
    "plot_sparsity",
    "plot_target_transform",
    "plot_tensor",
    "plot_tuning",
    "plot_unmixing_report",
]
