"""The ranker beside what was chosen: trained and judged at the validation cut, and put over the refitted model.

The chosen sum is fitted once more before the cut, because the ranker must learn from lists that have not seen what came
after it, and the scorers of the choice are gone by then.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from api.progress import Bars
from api.workspace import Workspace
from kg.store import GraphReader
from kg.types import Timestamp
from recommender.artifact import Artifact
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.explanation import relation_terms
from recommender.model import Model
from recommender.models.relations import Relations
from recommender.ranking.lessons import outcomes
from recommender.ranking.traits import Traits, read_traits
from recommender.ranking.view import View
from recommender.reading import read_dataset
from recommender.scorers import RelationScorer
from recommender.splits import Cut, time_cut

if TYPE_CHECKING:
    from recommender.ranking.proving import Proof  # brings torch along
    from recommender.training import Device


class Parted(NamedTuple):
    """A shop at a cut in time: the graph as it was then, the events before and after."""

    when: Timestamp
    past: GraphReader
    early: pa.Table
    later: pa.Table

    @property
    def cut(self) -> Cut:
        train = read_dataset(self.past, self.early, until=self.when, allow_undated=True)
        return time_cut(train, self.later)


def proven(parted: Parted, model: Model, workspace: Workspace, bars: Bars, *, device: "Device", seed: int) -> "Proof":
    """What a ranker adds to the model for those who acted after the cut, and the ranker."""
    from recommender.ranking.learning import Settings
    from recommender.ranking.proving import FOLDS, prove
    from recommender.training import Run

    bars.start("training: the ranker", FOLDS + 3)
    cut = parted.cut
    train = cut.train
    traits = read_traits(parted.past, parted.early, train.items, until=parted.when)
    base = model.fit(train)
    bars.advance()
    settings = Settings(seed=seed, run=Run(device=device, checkpoint=workspace.checkpoints / "ranker.npz"))
    asked = outcomes(train, cut.cases, parted.later)
    proof = prove(base, _view(train, traits, None), asked, settings, on_progress=lambda _: bars.advance())
    bars.finish()
    return proof


def ranked(
    built: Artifact, proof: "Proof", whole: Dataset, reader: GraphReader, events: pa.Table, until: Timestamp | None
) -> Artifact:
    """The artifact with the ranker, which is told what is known of all products now."""
    assert proof.ranker is not None
    terms = [term for _, scorer in built.chain[1:] for _, term in relation_terms(scorer)]
    view = _view(whole, read_traits(reader, events, whole.items, until=until), terms[0] if terms else None)
    return replace(built, ranker=replace(proof.ranker, view=view))


def _view(data: Dataset, traits: Traits, term: RelationScorer | None) -> View:
    if term is None:
        try:
            term = Relations().fit(data)
        except ModelFitError:  # a shop whose graph states nothing between products
            term = None
    return View.of(data, traits, term)
