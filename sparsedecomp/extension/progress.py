"""A progress bar over the outer iterations of a fit, on the machine of the user."""

from contextlib import contextmanager


@contextmanager
def progress_bar(show, description, callback=None):
    """Give a callback for an estimator that draws a bar and calls another callback.

    It counts iterations, not dask tasks, so it works with every scheduler.

    Parameters
    ----------
    show : bool or None
        None asks HyperSpy's preference ``General.show_progressbar``.
    description : str
        What stands in front of the bar.
    callback : callable, optional
        The user's own: called with every progress report; its return value, True to
        stop the fit, is passed on.

    Yields
    ------
    callable or None
        What the estimator gets as ``callback``.
    """
    from hyperspy.defaults_parser import preferences

    if show is None:
        show = preferences.General.show_progressbar
    if not show:
        yield callback
        return

    from hyperspy.external.progressbar import progressbar

    with progressbar(desc=description, unit="it", leave=True) as bar:

        def report(progress):
            bar.total = progress.max_iter * progress.n_starts
            bar.set_postfix(
                objective=f"{progress.objective:.6g}",
                components=progress.n_components,
                refresh=False,
            )
            # Draws at most ten times a second, however short the iterations are.
            bar.update()
            return callback(progress) if callback is not None else None

        yield report
        # A fit that converges early is complete all the same.
        bar.total = bar.n
        bar.refresh()
