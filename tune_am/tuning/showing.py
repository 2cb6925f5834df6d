"""What a search leaves to look at: its run in MLflow, its report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tune_am.errors import UserError
from tune_am.tuning import account
from tune_am.tuning.campaign.hunt import Campaign
from tune_am.tuning.hunt import Single
from tune_am.tuning.label import trial_title
from tune_am.tuning.tracking import artifacts, runs
from tune_am.tuning.watching.progress import Progress

Hunt = Single | Campaign

# The ledger's note that the report is made and MLflow has what there is to look at.
SHOWN = "shown"


def open_run(hunt: Hunt, log: runs.Tracking, view: Progress) -> None:
    """Open the search's run in MLflow, and log what it lacks."""
    job, plan = hunt.job, hunt.job.budget.plan
    log.begin(
        job.id,
        job.folder.path.name,
        account.params(job),
        account.tags(job),
        hunt.trials,
        title=lambda record: trial_title(
            replace(plan, neuron=record.neuron or plan.neuron), record.settings
        ),
        trouble=view.trouble,
        several=job.several,
    )


def show(hunt: Hunt, log: runs.Tracking | None, view: Progress, content: dict[str, Any]) -> None:
    """Write the report, and give MLflow what there is to look at. Neither can fail a search; what
    could not be done, or was cut short, is done by a resume. log: None if there is none yet."""
    job, whole = hunt.job, True
    if not job.config.no_report:
        try:
            page = artifacts.write_report(job.folder, job.config.trust_code)
            view.event("report", f"Report:   {page}", {"path": str(page)})
        except Exception as error:
            whole = False
            view.trouble(f"no report: {error}")
    try:
        # The page of a campaign has one of each unit's best.
        images = [] if job.several else list(artifacts.pictures(job.folder, job.pack))
    except Exception as error:  # inputs that nothing can draw
        images = []
        view.trouble(f"no pictures of trials: {error}")
    try:
        if log is None:
            log = runs.Tracking(job.tracking_uri, job.artifact_store)
            open_run(hunt, log, view)
            log.close(hunt.metrics(content), "FINISHED", hunt.trials.unfinished)
    except UserError as error:
        view.trouble(str(error))
        return
    whole &= log.attach(
        artifacts.files(job.folder, job.pack, job.budget.plan, content.get("best")),
        (artifacts.TABLE, hunt.table(content)),
        (artifacts.PICTURE, images),
    )
    if whole:
        hunt.notes.note(SHOWN, True)
