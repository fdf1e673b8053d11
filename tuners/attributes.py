"""Names of the attributes that a trial carries, and of its constraint."""

from __future__ import annotations

__all__ = [
    "ADDED",
    "BASE",
    "CALLS",
    "CANDIDATES",
    "CONSTRAINT",
    "COST",
    "DONE",
    "ELAPSED",
    "FAILURE",
    "IS_DONE",
    "LEARNED",
    "MENDED",
    "MESSAGE",
    "NORMAL_FORM",
    "OWN_PROPOSAL",
    "PROJECTION",
    "PROPOSER",
    "RAW",
    "RAW_LENGTH",
    "REPAIRS",
    "RIVAL",
    "SAMPLES",
    "SETUP",
    "SPREAD",
    "START",
    "STATUS",
    "TEXT",
    "TOKENS",
    "WHOLE",
    "WHY",
]

STATUS = "mappertune:status"  # status of the outcome, such as "ok" or "execution_error"
RAW = "mappertune:raw"  # the first RAW_LENGTH characters of what the runtime said
ELAPSED = "mappertune:elapsed"  # seconds of the timed part; absent unless the status is ok
SETUP = "mappertune:setup"  # seconds that the clock does not show; absent where nobody knows
SPREAD = "mappertune:spread"  # of repeated runs, over their median; absent in simulation
WHOLE = "mappertune:whole"  # seconds of the whole run; likewise
NORMAL_FORM = "mappertune:normal_form"  # digest of the mapper's normal form, see MapperProblem.key

# What else trials of measured programs keep.
SAMPLES = "mappertune:samples"  # the throughput of each run; absent for what was not run
RIVAL = "mappertune:rival"  # the mapper that ran in turn with it, and the throughputs of that
MESSAGE = "mappertune:message"  # all that a failure says
LEARNED = "mappertune:learned"  # which decisions it fails for, as further runs have shown

# Who proposed a trial: "start" for the one that a study begins with, whatever its tuner.
PROPOSER = "mappertune:proposer"  # of LLMSampler "model", the name of the fallback, or "enqueued"
START = "start"

# What else LLMSampler leaves with a trial.
WHY = "mappertune:why"  # why it was that one, in words
TEXT = "mappertune:text"  # the candidate where its parameters alone do not make it
PROJECTION = "mappertune:projection"  # "nearest" where the parameters do not make the text
CANDIDATES = "mappertune:candidates"  # further candidates of the same reply, for later trials
CALLS = "mappertune:calls"  # of the model for this trial, those for repairs included
REPAIRS = "mappertune:repairs"  # how often a reply went back
TOKENS = "mappertune:tokens"  # of prompts and replies together
COST = "mappertune:cost"  # US dollars; null where some call's price is unknown
FAILURE = "mappertune:failure"  # kind of the model's error, such as "timeout"; absent without one
ADDED = "mappertune:added"  # parameters that the model did not choose, with the sampler that did
MENDED = "mappertune:mended"  # what was changed in what the model wrote, in sentences
BASE = "mappertune:base"  # number of the trial whose mapper was revised
OWN_PROPOSAL = "the model's proposal"  # WHY of a sound one
IS_DONE = "the model is done"  # how WHY begins from there on
DONE = "mappertune:done"  # why the model is done, which it said for this trial

# An Optuna constraint: how many errors a mapper has, zero for a valid one.
CONSTRAINT = "valid mapper"

# Long enough for every message of the runtime, short enough for ten thousand trials in memory.
RAW_LENGTH = 500
