"""Every Cypher statement of the Neo4j store.

Labels and relationship types cannot be parameters of Cypher. They are closed lists of the schema, so the statements are
made from them here, once, at import; nothing that comes from a user or from data is ever part of a statement.
"""

from typing import TypeAlias

from kg.schema import LABELS, SHOP

GroupKey: TypeAlias = tuple[str, str, str]  # head label, relation, tail label

DOCUMENT = "Document"
ABOUT = "ABOUT"
META = "ShopGraph"
META_ID = "shopgraph"
WRITER_ID = "shopgraph:writer"
TOKEN_INDEX = "shopgraph_tokens"
NAME_INDEX = "shopgraph_names"

_ENTITY = "|".join(LABELS)
_FACT = "|".join(SHOP.relations)
_NODES = (*LABELS, DOCUMENT, META)
_STORED = f"MATCH (n:{_ENTITY}) WHERE n.id IN $ids"

# What must exist before the first MERGE, by name. Without the constraints two writers would make the same node twice.
INDEXES = {
    f"shopgraph_{label.lower()}_id": (
        f"CREATE CONSTRAINT shopgraph_{label.lower()}_id IF NOT EXISTS FOR (n:{label}) REQUIRE n.id IS UNIQUE"
    )
    for label in _NODES
} | {
    # The tokens are made by kg.search, so that Neo4j finds the candidates that every other store finds.
    TOKEN_INDEX: (
        f"CREATE FULLTEXT INDEX {TOKEN_INDEX} IF NOT EXISTS FOR (n:{_ENTITY}) ON EACH [n.search] "
        "OPTIONS {indexConfig: {`fulltext.analyzer`: 'whitespace'}}"
    ),
    # For people in Neo4j Browser: words as they type them, Chinese by pairs of characters.
    NAME_INDEX: (
        f"CREATE FULLTEXT INDEX {NAME_INDEX} IF NOT EXISTS FOR (n:{_ENTITY}|{DOCUMENT}) "
        "ON EACH [n.name, n.title, n.aliases] OPTIONS {indexConfig: {`fulltext.analyzer`: 'cjk'}}"
    ),
}
INDEX_NAMES = "SHOW INDEXES YIELD name RETURN collect(name) AS names"
AWAIT_INDEXES = "CALL db.awaitIndexes($seconds)"
FOREIGN = f"MATCH (n:{_ENTITY}|{DOCUMENT}) WHERE NOT EXISTS {{ (:{META}) }} RETURN labels(n)[0] AS label LIMIT 1"

# The graph's own node: its version, and since when a commit is on its way (see ``Neo4jStore._read``). Only the
# server's clock is read.
STATE = (
    f"MATCH (g:{META} {{id: $id}}) RETURN g.version AS version, g.format AS format, "
    "coalesce(g.committing > timestamp() - $patience, false) AS committing, "
    "coalesce(g.unfinished, false) AS unfinished, coalesce(g.sources, []) AS sources"
)
ANNOUNCE = (
    f"MERGE (g:{META} {{id: $id}}) ON CREATE SET g.name = 'ShopGraph', g.version = 0, g.format = $format "
    "SET g.committing = CASE WHEN $begins THEN timestamp() END"
)
FINISH = f"MATCH (g:{META} {{id: $id}}) SET g.version = $version, g.sources = $sources, g.unfinished = $unfinished"
# One writer at a time, across processes: the constraint makes the second one wait for the end of the first one's
# transaction, in which this node is gone again.
ACQUIRE = f"CREATE (:{META} {{id: $id, name: 'writer'}})"
RELEASE = f"MATCH (g:{META} {{id: $id}}) DELETE g"

# Reading. A list of labels is planned as one unique index seek per label.
ENTITIES = f"{_STORED} RETURN labels(n) AS labels, properties(n) AS p"
TYPES = f"{_STORED} RETURN n.id AS id, labels(n) AS labels"
ENTITY_IDS = f"MATCH (n:{_ENTITY}) RETURN n.id AS id"
ENTITY_IDS_OF = {label: f"MATCH (n:{label}) RETURN n.id AS id" for label in LABELS}
DOCUMENTS = f"MATCH (n:{DOCUMENT}) WHERE n.id IN $ids RETURN properties(n) AS p"
DOCUMENT_IDS = f"MATCH (n:{DOCUMENT}) RETURN n.id AS id"
DOCUMENT_IDS_ABOUT = f"MATCH (e:{_ENTITY}) WHERE e.id IN $ids MATCH (n:{DOCUMENT})-[:{ABOUT}]->(e) RETURN n.id AS id"
CANDIDATES = (
    f"CALL db.index.fulltext.queryNodes('{TOKEN_INDEX}', $query) YIELD node AS n "
    "WHERE $type IS NULL OR $type IN labels(n) RETURN labels(n) AS labels, properties(n) AS p"
)

_TOLD = "RETURN h.id AS head, type(r) AS relation, t.id AS tail, properties(r) AS p"


def _heads(types: str) -> tuple[str, str]:
    """Which entities are heads, and how often: in the whole graph, or of facts with one tail."""
    every = f"MATCH (h:{_ENTITY}) WITH h, COUNT {{ (h)-[:{types}]->() }} AS facts WHERE facts > 0"
    to = f"MATCH (t:{_ENTITY}) WHERE t.id = $tail MATCH (h)-[r:{types}]->(t) WITH h, count(r) AS facts"
    return f"{every} RETURN h.id AS id, facts", f"{to} RETURN h.id AS id, facts"


def _facts(types: str) -> tuple[str, str]:
    """The facts of some heads: all of them, or those with one tail."""
    of = f"MATCH (h:{_ENTITY}) WHERE h.id IN $heads"
    to = f"MATCH (t:{_ENTITY}) WHERE t.id = $tail"
    return f"{of} MATCH (h)-[r:{types}]->(t) {_TOLD}", f"{of} {to} MATCH (h)-[r:{types}]->(t) {_TOLD}"


# By relation; None is any.
HEADS: dict[str | None, tuple[str, str]] = {None: _heads(_FACT)} | {r: _heads(r) for r in SHOP.relations}
FACTS: dict[str | None, tuple[str, str]] = {None: _facts(_FACT)} | {r: _facts(r) for r in SHOP.relations}

NEIGHBOURS = (
    f"{_STORED} CALL (n) {{ MATCH (n)-[r:{_FACT}]-() RETURN r, startNode(r) AS h, endNode(r) AS t LIMIT $limit }} "
    "RETURN n.id AS id, h.id AS head, type(r) AS relation, t.id AS tail, properties(r) AS p"
)

# Writing nodes: rows are [id, properties], of documents [id, properties, about].
PUT_ENTITIES = {label: f"UNWIND $rows AS row MERGE (n:{label} {{id: row[0]}}) SET n = row[1]" for label in LABELS}
PUT_DOCUMENTS = {
    label: (
        f"UNWIND $rows AS row MATCH (e:{label} {{id: row[2]}}) MERGE (d:{DOCUMENT} {{id: row[0]}}) SET d = row[1] "
        f"MERGE (d)-[:{ABOUT}]->(e)"
    )
    for label in LABELS
}
UNLINK_DOCUMENTS = f"MATCH (d:{DOCUMENT})-[r:{ABOUT}]->() WHERE d.id IN $ids DELETE r"
SET_HEADS = f"UNWIND $rows AS row MATCH (d:{DOCUMENT} {{id: row[0]}}) SET d.heads = row[1]"


def _put_facts(key: GroupKey) -> str:
    head, relation, tail = key
    return (
        "UNWIND range(0, size($rows) - 1) AS i WITH i, $rows[i] AS row "
        f"MATCH (h:{head} {{id: row[0]}}) MATCH (t:{tail} {{id: row[1]}}) OPTIONAL MATCH (h)-[r:{relation}]->(t) "
        f"FOREACH (_ IN CASE WHEN r IS NULL THEN [1] ELSE [] END | CREATE (h)-[n:{relation}]->(t) "
        "SET n = $told[row[3]] SET n.key = row[2]) "
        "WITH i, r WHERE r IS NOT NULL RETURN i, elementId(r) AS r, properties(r) AS p"
    )


# Rows are [head, tail, key, number of its properties in $told]. Creates what is new and tells what was there: a MERGE
# that can say which it was.
PUT_FACTS: dict[GroupKey, str] = {
    key: _put_facts(key)
    for relation in SHOP.relations.values()
    for key in ((head, relation.name, tail) for head in relation.heads for tail in relation.tails)
}
SET_FACTS = "UNWIND $rows AS row MATCH ()-[r]->() WHERE elementId(r) = row[0] SET r = row[1]"

# Forgetting.
CITING = f"MATCH (h:{_ENTITY})-[r:{_FACT}]->(t) WHERE $source IN r.sources {_TOLD}, elementId(r) AS r"
CITING_FROM = (
    f"MATCH (h:{_ENTITY}) WHERE h.id IN $heads MATCH (h)-[r:{_FACT}]->(t) WHERE $source IN r.sources "
    f"{_TOLD}, elementId(r) AS r"
)
DELETE_FACTS = "MATCH ()-[r]->() WHERE elementId(r) IN $ids DELETE r"
DELETE_DOCUMENT = f"MATCH (d:{DOCUMENT} {{id: $id}}) DETACH DELETE d"
DELETE_UNMENTIONED = f"{_STORED} AND NOT EXISTS {{ (n)--() }} DELETE n"
