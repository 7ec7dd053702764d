"""Each closed form against its formula, written out densely."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from recommender.artifact import Artifact, load, save
from recommender.choosing import with_decay
from recommender.dataset import Dataset, Edges
from recommender.decomposition import right_vectors
from recommender.errors import ConfigurationError, ModelFitError
from recommender.histories import HistoryWeights, Ids
from recommender.models.als import Als
from recommender.models.chebyshev import Chebyshev
from recommender.models.coupling import Coupling
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.lae import Lae
from recommender.models.mixture import Mixture
from recommender.models.popularity import DAY, Popularity
from recommender.models.relations import Relations
from recommender.models.slist import Slist
from recommender.models.spectral import Spectral
from recommender.scorers import WeightedSumScorer

ITEMS = Ids(tuple(f"i{n:02d}" for n in range(14)))
ENTITIES = Ids(("brand:a", "brand:b", "use:x"))


@pytest.fixture
def data(log) -> Dataset:
    random = np.random.default_rng(3)
    rows = [(f"u{user:02d}", ITEMS[item], time) for time in range(150) for user, item in [random.integers(0, [30, 14])]]
    links = {
        name: Edges.of(*random.integers(0, 14, (2, 25)), weights=random.random(25)) for name in ("BOUGHT", "VIEWED")
    }
    brands = Edges.of(np.arange(14), np.arange(14) % 2)
    uses = Edges.of(np.array([0, 3, 7, 9]), np.full(4, 2), weights=np.array([1, 0.5, 1, 0.25]))
    attributes = {"MADE_BY": brands, "USED_FOR": uses}
    return Dataset.build(log(rows), items=ITEMS, entities=ENTITIES, links=links, attributes=attributes)


def test_ease(data):
    x = data.matrix().toarray().astype(np.float64)
    inverse = np.linalg.inv(x.T @ x + 7 * np.eye(14))
    expected = inverse / -np.diag(inverse)[None, :]
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(Ease(7.0).fit(data).scores_batch(data.histories), x @ expected, atol=1e-5)


def test_ease_with_few_users_is_the_same_model_made_from_users(data, tmp_path):
    """B through K of the users, whatever the decay, against the definition."""
    histories = data.histories.take(np.arange(5))
    few = replace(data, users=Ids(data.users.names[:5]), histories=histories)
    x = few.matrix().toarray().astype(np.float64)
    inverse = np.linalg.inv(x.T @ x + 7 * np.eye(14))
    expected = inverse / -np.diag(inverse)[None, :]
    np.fill_diagonal(expected, 0)
    scorer = Ease(7.0).fit(few)
    assert isinstance(scorer, WeightedSumScorer)
    np.testing.assert_allclose(scorer.scores_batch(data.histories), data.matrix() @ expected, atol=1e-5)
    aged = HistoryWeights(0.6, data.weights.actions).matrix(data.histories, 14)
    np.testing.assert_allclose(with_decay(scorer, 0.6).scores_batch(data.histories), aged @ expected, atol=1e-5)
    back = load(save(Artifact((("ease", scorer),)), tmp_path)).chain[0][1]
    assert back.scores_batch(data.histories).tobytes() == scorer.scores_batch(data.histories).tobytes()


def test_als_ends_where_neither_side_can_be_better(data):
    """Each user vector is the least squares answer to the item vectors, and each item vector to the user vectors."""
    model = Als(dimensions=3, regularisation=0.5, alpha=2.0, iterations=300)
    scorer = model.fit(data)
    x = data.matrix().toarray().astype(np.float64)

    def answers(taken, others):
        for weights in taken:
            confidence = np.diag(1 + 2 * weights)
            gram = others.T @ confidence @ others + 0.5 * np.eye(3)
            yield np.linalg.solve(gram, others.T @ confidence @ (weights > 0))

    users, items = scorer.user_vectors(data.histories), scorer.item_factors
    np.testing.assert_allclose(users, list(answers(x, items.astype(np.float64))), atol=1e-4)
    np.testing.assert_allclose(items, list(answers(x.T, users.astype(np.float64))), atol=2e-3)


def test_als_without_its_library_says_what_to_install(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(ConfigurationError, match=r"shopgraph\[als\]"):
        Als().fit(data)


def test_itemknn(data):
    x = data.matrix().toarray()
    norms = np.linalg.norm(x, axis=0)
    expected = x.T @ x / np.maximum(np.outer(norms, norms), 1e-12)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(ItemKNN().fit(data).scores_batch(data.histories), x @ expected, atol=1e-5)

    few = ItemKNN(neighbours=2).fit(data).matrix.toarray()
    assert ((few > 0).sum(axis=0) == np.minimum((expected > 0).sum(axis=0), 2)).all()
    np.testing.assert_allclose(few.max(axis=0), expected.max(axis=0), atol=1e-6)


def test_spectral_is_the_ideal_low_pass_filter(data):
    x = data.matrix().toarray()
    users, items = x.sum(axis=1), x.sum(axis=0)
    right = np.linalg.svd(x / np.sqrt(np.outer(users, items)), full_matrices=False)[2][:4]
    expected = (x / np.sqrt(items)) @ right.T @ right * np.sqrt(items)
    found = Spectral(dimensions=4, power_iterations=6).fit(data).scores_batch(data.histories)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_popularity_counts_users_and_forgets_with_time(data, log):
    counts = np.count_nonzero(data.matrix().toarray(), axis=0)
    assert Popularity().fit(data).popularity.tolist() == counts.tolist()

    old_and_new = log([("u", "old", 0), ("v", "old", 0), ("u", "new", 10 * DAY), ("v", "look", 10 * DAY, "view")])
    scorer = Popularity(half_life_days=10).fit(Dataset.build(old_and_new))
    assert dict(zip(scorer.items.names, scorer.popularity.tolist(), strict=True)) == pytest.approx(
        {"new": 1.0, "old": 1.0, "look": 0.2}
    )


def test_relations_equal_their_definition(data):
    strengths = {"BOUGHT": 1.0, "VIEWED": 0.5, "MADE_BY": 0.25, "USED_FOR": 2.0}
    q = np.zeros((14, 14))
    for name, edges in data.links.items():
        one = edges.matrix((14, 14)).toarray()
        q += strengths[name] * (one + one.T)
    for name, edges in data.attributes.items():
        one = edges.matrix((14, 3)).toarray()
        degrees = np.maximum(np.count_nonzero(one, axis=0), 1)
        q += strengths[name] * (one / degrees) @ one.T
    np.fill_diagonal(q, 0)
    root = np.sqrt(q.sum(axis=1))
    expected = data.matrix().toarray() @ (q / np.outer(root, root))
    found = Relations(strengths).fit(data).scores_batch(data.histories)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_relation_may_join_products_and_entities(data):
    """COMPATIBLE_WITH leads to a Product or to a Thing: one weight, both ways, and a term can be held to one."""
    both = replace(data, attributes=data.attributes | {"BOUGHT": data.attributes["USED_FOR"]})
    strengths = {"BOUGHT": 2.0, "VIEWED": 1.0}
    whole = Relations(strengths).fit(both)
    q = np.zeros((14, 14))
    for name in strengths:
        one = both.links[name].matrix((14, 14)).toarray()
        q += strengths[name] * (one + one.T)
    shared = both.attributes["BOUGHT"].matrix((14, 3)).toarray()
    q += 2.0 * (shared / np.maximum(np.count_nonzero(shared, axis=0), 1)) @ shared.T
    np.fill_diagonal(q, 0)
    root = np.sqrt(q.sum(axis=1))
    expected = data.matrix().toarray() @ (q / np.outer(root, root))
    np.testing.assert_allclose(whole.scores_batch(data.histories), expected, atol=1e-5)
    assert not Relations(strengths, through="items").fit(both).attributes
    assert not Relations(strengths, through="entities").fit(both).links


def test_an_entity_that_nearly_everything_shares_is_left_out(data):
    scorer = Relations({"MADE_BY": 1.0, "USED_FOR": 1.0}, most_shared=6).fit(data)
    assert scorer.attributes["MADE_BY"].nnz == 0
    assert scorer.attributes["USED_FOR"].nnz == 4


def test_a_mixture_is_the_sum_of_its_parts(data):
    parts = [(1.0, Ease(5.0)), (0.3, Relations())]
    expected = sum(weight * model.fit(data).scores_batch(data.histories) for weight, model in parts)
    mixture = Mixture(parts)
    np.testing.assert_allclose(mixture.fit(data).scores_batch(data.histories), expected, atol=1e-6)
    assert mixture.name == "ease + relations"


def test_a_part_that_cannot_learn_here_is_left_out_of_a_mixture_and_told(data, caplog):
    unmined = replace(data, links={})
    mixture = Mixture([(1.0, ItemKNN()), (0.3, Relations(through="items", name="facts"))])
    fitted = mixture.fit(unmined)
    assert [weight for weight, _ in fitted.parts] == [1.0]
    assert "facts is left out of the sum" in caplog.text
    with pytest.raises(ModelFitError, match="no part of facts can learn"):
        Mixture([(0.3, Relations(through="items", name="facts"))]).fit(unmined)


@pytest.mark.parametrize("model", [Coupling(), Lae(dimensions=2, facts=1.0), Ease(1.0, facts=1.0)], ids=repr)
def test_a_part_whose_links_were_never_mined_is_left_out_and_told(data, caplog, model):
    """The cut is mined anew, so that a model can be chosen for links that the graph itself does not hold yet."""
    mixture = Mixture([(1.0, ItemKNN()), (0.3, model)])
    assert len(mixture.fit(data).parts) == 2
    assert [weight for weight, _ in mixture.fit(replace(data, links={})).parts] == [1.0]
    assert f"{model.name} is left out of the sum" in caplog.text


@pytest.mark.parametrize(
    "model", [Popularity(), ItemKNN(), Ease(), Spectral(), Relations(), Slist(), Chebyshev(), Lae(), Coupling()]
)
def test_nothing_to_learn_from_is_an_error(model, log):
    with pytest.raises(ModelFitError, match="training set holds none"):
        model.fit(Dataset.build(log([]), items=ITEMS))


def test_slist_learns_what_comes_after_and_not_what_came_before(log):
    rows = [(f"u{u}", item, 3 * u + t) for u in range(6) for t, item in enumerate(("i00", "i01", "i02"))]
    data = Dataset.build(log(sorted(rows, key=lambda row: row[2])), items=ITEMS)
    scorer = Slist(0.5, ahead=0.0).fit(data)
    before = np.array([[1.0, 0, 0], [0.6, 1.0, 0]])  # the rows of S and T that every user gives, i0 to i2
    after = np.array([[0, 1.0, 0], [0, 0, 1.0]])
    expected = np.linalg.solve(6 * before.T @ before + 0.5 * np.eye(3), 6 * before.T @ after)
    np.testing.assert_allclose(scorer.matrix[:3, :3], expected, atol=1e-5)
    assert scorer.matrix[1, 2] > 0.5 > abs(scorer.matrix[1, 0])


def test_a_chebyshev_filter_is_the_polynomial_of_the_graph(data):
    scorer = Chebyshev(order=5, flatness=3.0).fit(data)
    x = data.matrix().toarray().astype(np.float64)
    users, items = x.sum(axis=1), np.maximum(x.sum(axis=0), 1e-12)
    known = users > 0
    graph = x[known] / np.sqrt(np.outer(users[known], items))
    values, vectors = np.linalg.eigh(np.eye(len(items)) - 2 * graph.T @ graph)
    response = np.polynomial.chebyshev.chebval(values, scorer.coefficients)
    root = np.where(x.sum(axis=0) > 0, np.sqrt(items), 0.0)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    expected = (x * inverse) @ (vectors * response) @ vectors.T * root
    np.testing.assert_allclose(scorer.scores_batch(data.histories), expected, atol=1e-5)
    nodes = np.cos((np.arange(6) + 0.5) * np.pi / 6)
    plateau = 0.5 - 0.5 * np.sign(nodes) * np.abs(nodes) ** 3
    np.testing.assert_allclose(np.polynomial.chebyshev.chebval(nodes, scorer.coefficients), plateau, atol=1e-12)


def test_an_auto_encoder_is_that_of_the_normalised_matrix(data):
    """With every dimension kept, the line and the low rank add up to the closed form over all items."""
    scorer = Lae(99, regularisation=0.3, low_pass=0.0, user_degrees=0.2, item_degrees=0.4, degrees=0.1).fit(data)
    x = data.matrix().toarray().astype(np.float64)
    users, items = np.maximum(x.sum(axis=1), 1e-12), np.maximum(x.sum(axis=0), 1e-12)
    graph = x / (users[:, None] ** 0.2 * items**0.4)
    graph /= np.linalg.norm(graph, 2)
    gram = graph.T @ graph
    expected = 1.3 * np.linalg.solve(gram + 0.3 * np.eye(len(gram)), gram)
    scores = scorer.scores_batch(data.histories)
    np.testing.assert_allclose(scores, (x / items**0.1) @ expected * items**0.1, atol=2e-4)


@pytest.mark.parametrize("shape", [(40, 25), (25, 40)])
def test_the_largest_singular_vectors_are_those_of_the_matrix(shape):
    """Twelve singular values of a matrix of rank nine, and the first three of them alone."""
    random = np.random.default_rng(1)
    matrix = random.standard_normal((shape[0], 9)) @ random.standard_normal((9, shape[1]))
    _, values, right = np.linalg.svd(matrix)
    for width, rank in ((12, 9), (3, 3)):
        found, vectors = right_vectors(sp.csr_array(matrix.astype(np.float32)), width, iterations=4)
        np.testing.assert_allclose(found, values[:rank], rtol=1e-3)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(rank), atol=1e-4)
        np.testing.assert_allclose(vectors @ vectors.T, right[:rank].T @ right[:rank], atol=1e-2)


def test_lists_of_facts_are_learned_from_as_if_someone_had_taken_them(data):
    """A head with its tails is a user of that basket, of length 1, as often as facts says."""
    lists = data.baskets().toarray()
    heads = [(name, head) for name in data.links for head in np.unique(data.links[name].heads)]
    assert len(lists) == len(heads)
    for row, (name, head) in zip(lists, heads, strict=True):
        edges = data.links[name].matrix((14, 14)).toarray()[head] + np.eye(14)[head]
        np.testing.assert_allclose(row, edges / np.linalg.norm(edges), rtol=1e-5)
    x = np.vstack([data.matrix().toarray(), lists * np.sqrt(3.0)])
    inverse = np.linalg.inv(x.T @ x + 2.0 * np.eye(14))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(Ease(2.0, facts=3.0).fit(data).matrix, expected, atol=1e-5)


@pytest.mark.parametrize("model", [Ease(facts=1.0), Lae(facts=1.0)])
def test_a_model_of_facts_needs_them(model, data):
    assert model.uses_relations
    assert not replace(model, facts=0.0).uses_relations
    with pytest.raises(ModelFitError, match=r"collective \w+ needs a relation"):
        model.fit(data.without_relations())


def test_coupled_are_those_related_to_the_same(data):
    related = sum(edges.matrix((14, 14)).toarray().astype(np.float64) for edges in data.links.values())
    related = related + related.T
    np.fill_diagonal(related, 0.0)
    rows = related / np.maximum(np.linalg.norm(related, axis=1, keepdims=True), 1e-12)
    cosine = rows @ rows.T
    np.fill_diagonal(cosine, 0.0)
    x = data.matrix().toarray()
    np.testing.assert_allclose(Coupling().fit(data).scores_batch(data.histories), x @ cosine, atol=1e-5)
    with pytest.raises(ModelFitError, match="coupling needs a relation"):
        Coupling().fit(data.without_relations())
