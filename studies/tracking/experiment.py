"""How MLflow's pages show an experiment: what it is, and a view of it by tuner."""

from __future__ import annotations

import json

__all__ = ["EXPERIMENT_TAGS", "experiment_page"]

_VIEW = "mappertune"
_METRICS = ("best", "best_over_expert", "invalid_share")
_PARAMETERS = ("seed", "model", "budget")

# As MLflow's page writes it where somebody shares a view of an experiment.
_BY_TUNER = {
    "groupBy": {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "param", "groupByData": "tuner"}],
    },
    "selectedColumns": [
        *(f"metrics.`{key}`" for key in _METRICS),
        *(f"params.`{key}`" for key in _PARAMETERS),
    ],
}

EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.experiment.primaryMetric.name": "best",
    "mlflow.experiment.primaryMetric.greaterIsBetter": "true",
    f"mlflow.sharedViewState.{_VIEW}": json.dumps(_BY_TUNER),
    "mlflow.note.content": (
        "Mappers of one application on one machine, tuned by mappertune: a run for each study "
        "(a tuner with a seed), and a parent run for a comparison. `best` is the best throughput "
        "so far by trial, `throughput` that of each trial, 0 where the mapper is invalid."
    ),
}


def experiment_page(server: str, experiment: str) -> str:
    """The address at which a server shows an experiment by tuner, as model training.

    >>> experiment_page("http://127.0.0.1:5000/", "1").partition("?")[0]
    'http://127.0.0.1:5000/#/experiments/1/runs'
    """
    query = f"workflowType=machine_learning&viewStateShareKey={_VIEW}"
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?{query}"
