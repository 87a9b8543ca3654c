# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages for operators name is there: commands, variables, paths, units, ports, messages, inventories and links.

In the guides a block of the language C(text) is a message as the code prints it, with WORDS IN CAPITALS for what differs;
a block of C(yaml) or C(ini) with our groups is an inventory, one with our variables alone a file of variables.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.k3a.cluster.plugins.module_utils._components import registry
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import LOOPBACK
from ansible_collections.k3a.cluster.plugins.module_utils._engine.systemd import UNIT_DIRECTORY
from ansible_collections.k3a.cluster.plugins.module_utils._host import check, check_storage
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.groups import AGENT, SERVER
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec, variables
from ansible_collections.k3a.cluster.tests.unit import recording

ROOT = Path(__file__).parents[2]
GUIDES = sorted(ROOT.glob("docs/docsite/rst/*.rst"))
TEXTS = [*sorted(ROOT.glob("docs/*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "bundle/README.md"))]
PAGES = [*TEXTS, *GUIDES]
KNOWN_FLAGS = json.loads((Path(__file__).parent / "component_flags.json").read_text())["flags"]
DATA_DIR = "/var/lib/k3a"
# Playbooks that the pages tell to run, and that no scenario runs on nodes yet: what they call is tested alone.
NOT_ON_NODES = {"stage"}
# Groups of hosts that begin as our variables do.
GROUPS = {"k3a_server", "k3a_agent"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=relative)


# ---- what a page has


@dataclass(frozen=True)
class Block:
    """A block of code of a page, with its language where the page says one."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    return list(_rst_blocks(page) if page.suffix == ".rst" else _md_blocks(page))


def _rst_blocks(page: Path) -> Iterator[Block]:
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines):
        directive = re.match(r"( *)\.\. code-block:: (\S+)$", line)
        literal = re.match(r"( *)(?!\.\. )\S.*::$", line)
        if directive or literal:
            found = directive or literal
            yield Block(directive[2] if directive else "", _indented(lines[number + 1 :], len(found[1])))


def _md_blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for language, fenced in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        yield Block(language, fenced)
    lines = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S).splitlines()
    for number, line in enumerate(lines):
        if not line.strip() and lines[number + 1 : number + 2] and lines[number + 1].startswith("    "):
            text = _indented(lines[number + 1 :], 0)
            yield Block("ini" if text.startswith("[") else "", text)


def _indented(lines: list[str], depth: int) -> str:
    """The lines that are indented more than a depth, up to the first that is not."""
    taken: list[str] = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= depth:
            break
        taken.append(line)
    least = min((len(line) - len(line.lstrip()) for line in taken if line.strip()), default=0)
    return "\n".join(line[least:] for line in taken).strip("\n") + "\n"


def marked(page: Path) -> list[str]:
    """What a page marks as code within its sentences."""
    text = page.read_text()
    if page.suffix == ".rst":
        return [" ".join(each.split()) for each in re.findall(r"``(.+?)``", text, re.S)]
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", text)]


def commands(page: Path, program: str) -> list[str]:
    """The command lines of a program, in blocks and in sentences; a comment at their end is left out."""
    found = [line for block in blocks(page) for line in block.text.replace("\\\n", " ").splitlines()]
    starts = re.compile(rf"(?:\S+/)?{program} \S")
    return [re.sub(r"\s+#.*", "", each.strip()) for each in (*found, *marked(page)) if starts.match(each.strip())]


# ---- commands


PLAYBOOKS = {path.stem for path in ROOT.glob("playbooks/*.yml")}
OF_A_CLUSTER = {
    name for name in PLAYBOOKS if re.search(r"import_playbook: (inventory|check_config)\.yml", (ROOT / f"playbooks/{name}.yml").read_text())
}
OPTIONS = {"-i", "-e", "--limit"}
SWITCHES = {"--check", "--diff", "--ask-become-pass", "--ask-vault-pass", "--syntax-check"}


@dataclass
class Played:
    """A command line of ansible-playbook."""

    playbook: str
    inventories: list[str]
    variables: dict[str, str]


def played(command: str) -> Played:
    words = shlex.split(command)[1:]
    found = Played("", [], {})
    while words:
        word = words.pop(0)
        if word in OPTIONS:
            value = words.pop(0)
            if word == "-i":
                found.inventories.append(value)
            if word == "-e":
                name, _equals, given = value.partition("=")
                found.variables[name] = given
        elif word not in SWITCHES:
            assert not found.playbook and not word.startswith("-"), f"{word} in {command}"
            found.playbook = re.sub(r"^k3a\.cluster\.|^playbooks/|\.yml$", "", word)
    return found


@cache
def all_played() -> dict[str, Played]:
    return {command: played(command) for page in PAGES for command in commands(page, "ansible-playbook")}


def test_the_pages_say_how_to_run_playbooks():
    assert {"site", "join", "remove_node", "reset", "token_create", "bundle"} <= {each.playbook for each in all_played().values()}


@pytest.mark.parametrize("command", all_played())
def test_a_command_runs_a_playbook_that_is_there_with_what_it_takes(command):
    run = all_played()[command]
    assert run.playbook in PLAYBOOKS
    is_of_machines = "join_hosts" in run.variables or run.playbook == "join"
    assert is_of_machines or bool(run.inventories) == (run.playbook in OF_A_CLUSTER), "with an inventory, or without"
    options = {**spec.specification(), **spec.of_playbook(run.playbook)}
    assert run.variables.keys() <= options.keys()
    own = {name: options[name] for name in run.variables}
    assert spec.evaluate(own, run.variables, lambda value: value, lambda path: "a secret")[1] == []


def test_the_playbooks_that_pages_run_are_run_on_nodes():
    """Those that are not are named here, until a scenario runs them."""
    where = [*ROOT.glob("tests/integration/**/*.py"), *ROOT.glob("tests/integration/**/*.yml"), *ROOT.glob("molecule/**/*.yml"), ROOT / "Makefile"]
    text = "\n".join(path.read_text() for path in where)
    run = {name for name in PLAYBOOKS if re.search(rf"\b{name}\.yml\b", text)}
    assert {each.playbook for each in all_played().values()} - run == NOT_ON_NODES


def test_a_configuration_of_k3s_is_translated_as_the_pages_say(tmp_path):
    """The one command for the controller alone; with both files, as they are copied from a host."""
    (tmp_path / "config.yaml").write_text("cluster-cidr: 10.52.0.0/16\nnode-label: [disk=ssd]\ndisable: [traefik]\n")
    (tmp_path / "k3s.service.env").write_text("K3S_KUBECONFIG_MODE=640\n")
    told = [command for command, run in all_played().items() if run.playbook == "import_config"]
    assert told
    for command in told:
        arguments = [argument for argument in shlex.split(command)[1:] if argument != "k3a.cluster.import_config"]
        output = recording.play(tmp_path, ROOT / "playbooks/import_config.yml", *arguments)
        assert "k3a_cluster_cidr" in output and "disk=ssd" in output
        assert ("k3a_write_kubeconfig_mode" in output) == ("k3s.service.env" in command)


@each_page
def test_every_target_of_make_is_there(page):
    text = (ROOT / "Makefile").read_text()
    targets, names = set(re.findall(r"^([\w-]+):", text, re.M)), set(re.findall(r"^(\w+) \??=", text, re.M))
    for command in commands(page, "make"):
        for word in shlex.split(command)[1:]:
            name, equals, _value = word.partition("=")
            assert name in (names if equals else targets), command


# ---- names


@each_page
def test_every_variable_is_there(page):
    known = spec.specification().keys() | spec.of_playbooks().keys() | GROUPS
    # A name that ends in _ is the beginning of several.
    named = re.findall(r"(?<![\w.])k3a_[a-z0-9_]+(?![\w*])", page.read_text())
    assert {name for name in named if not name.endswith("_")} - known == set()


@each_page
def test_every_playbook_and_module_is_there(page):
    plugins = {path.stem for kind in ("modules", "lookup", "filter", "doc_fragments") for path in ROOT.glob(f"plugins/{kind}/*.py")}
    roles = {path.name for path in ROOT.glob("roles/*")}
    named = re.findall(r"(?<![\w./-])k3a\.cluster\.(\w+)(?!\S*\.(?:rst|html))", page.read_text())
    assert set(named) - plugins - roles - PLAYBOOKS - {"docsite"} == set()
    former = {"agent", "nodes", "nodes_absent"}
    files = {name for name in re.findall(r"(?<![\w./-])([a-z_]+)\.yml", " ".join(marked(page))) if name not in former}
    other = {"components", "galaxy", "argument_specs", "all", "runtime", "ci", "changelog", "variable"}
    tasks = {path.stem for path in ROOT.glob("*/**/tasks/*.yml")} | {path.stem for path in ROOT.glob("playbooks/tasks/*.yml")}
    assert files - PLAYBOOKS - other - tasks - {"lock"} == set()


UNITS = {declared.unit.removesuffix(".service") for declared in registry.DECLARATIONS if declared.name != "kubeconfig"}
# What is built and shipped may be called as one likes.
ARCHIVE = r"k3a-[\w.*-]+\.(?:tar|tar\.gz)"


@each_page
def test_every_unit_is_there(page):
    text = re.sub(ARCHIVE, "", " ".join([*marked(page), *(block.text for block in blocks(page))]))
    told = re.findall(r"(?:systemctl [\w-]+|journalctl(?: --?[\w=-]+)*? -u|--unit[= ]) ?'?(k3a-[\w*-]+)", text)
    told += re.findall(r"(k3a-[\w-]+)\.(?:service|timer|path)", text)
    assert {unit for unit in told if "*" not in unit} - UNITS == set()
    others = set(re.findall(r"(?<![\w./:@-])k3a-[a-z-]*[a-z]", text)) - UNITS
    assert {name for name in others if name not in all_literals() and not any(each.fullmatch(name) for each in names_made())} == set()


@cache
def names_made() -> tuple[re.Pattern[str], ...]:
    """Patterns of the names beginning with C(k3a-) that the code makes."""
    ours = [parts for parts in templates() if len(parts) < 4 and any("k3a-" in part for part in parts)]
    return tuple(re.compile(".+".join(map(re.escape, parts))) for parts in ours)


def test_the_page_of_units_has_all_of_them():
    rows = re.findall(r"^\| `(k3a-[\w-]+)` \|", (ROOT / "docs/units.md").read_text(), re.M)
    assert set(rows) == UNITS


# ---- what the code says


@cache
def templates() -> tuple[tuple[str, ...], ...]:
    """Every text of the code and of the playbooks, in parts between what is put into it."""
    found: set[tuple[str, ...]] = set()
    for path in ROOT.glob("plugins/**/*.py"):
        tree = ast.parse(path.read_text())
        inner = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                found.add(tuple(_parts(node)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inner:
                found.add(tuple(re.split(r"\{\d?\}", node.value)))
    for path in [*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/t*/*")]:
        for line in path.read_text().splitlines():
            quoted = re.search(r': "(.*)"$', line)
            found.add(tuple(re.split(r"\{\{.*?\}\}", quoted[1] if quoted else line)))
    return tuple(found)


def _parts(node: ast.JoinedStr) -> Iterator[str]:
    """The literal parts, with a break for each value; values side by side are one break."""
    text = ""
    for value in node.values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
        else:
            yield text
            text = ""
    yield text


@cache
def literals() -> frozenset[str]:
    return frozenset(part for parts in templates() for part in parts if part)


@cache
def all_literals() -> str:
    return "\n".join(sorted(literals()))


@dataclass(frozen=True)
class Clause:
    """What stands between semicolons in a text of the code: its pattern, and how many characters are the code's own."""

    pattern: re.Pattern[str]
    length: int
    longest: str


@cache
def clauses() -> tuple[Clause, ...]:
    found = {}
    for parts in templates():
        for text in "\0".join(parts).split("; "):
            own = " ".join(text.split()).removesuffix(".").split("\0")
            length = sum(map(len, own))
            if 2 <= length < 400:
                # What comes last may be quoted no more.
                last = "(.*?)" if len(own) > 1 else ""
                pattern = "(.+?)".join(map(re.escape, own[:-1])) + last + re.escape(own[-1])
                found[pattern] = Clause(re.compile(rf"{pattern}\.?"), length, max(own, key=len))
    return tuple(found.values())


@cache
def is_said(text: str) -> bool:
    """Whether a text of the code has this form, with hardly anything in its places but words in capitals."""
    for clause in clauses():
        if clause.longest not in f"{text} ":
            continue
        match = clause.pattern.fullmatch(text) or clause.pattern.fullmatch(f"{text} ")
        if match:
            strange = [group for group in match.groups() if group != text and not is_known(group)]
            rest = sum(len(words_of(group)) for group in strange)
            if rest == 0 or (clause.length >= 10 and rest * 3 <= clause.length):
                return True
    return False


def is_known(group: str) -> bool:
    """What stands in a place of a text is a text of the code, too, or of capitals."""
    return group in literals() or not words_of(group) or is_said(group)


def words_of(text: str) -> str:
    """The letters of a text, but for words in capitals."""
    return re.sub(r"[A-Z]{2,}|[^a-z]", "", text)


def messages(page: Path) -> list[str]:
    """The messages that a page quotes; each begins a line, and goes on in lines that are indented."""
    found: list[str] = []
    for block in blocks(page):
        if block.language == "text":
            found += [" ".join(each.split()) for each in re.split(r"\n(?=\S)", block.text.strip())]
    return found


QUOTED = [(relative(page), message) for page in GUIDES for message in messages(page)]


@pytest.mark.parametrize("page, message", QUOTED, ids=lambda value: str(value)[:60])
def test_a_message_is_quoted_as_the_code_says_it(page, message):
    said = re.sub(r"^(?:(?:HOST|HOSTS|inventory|localhost):|NODE) ", "", message)
    assert [clause for clause in said.split("; ") if not is_said(clause)] == []


def test_a_message_that_nothing_says_is_seen():
    assert is_said("swap is on (DEVICE)") and is_said("the host has no command nft")
    assert not is_said("swap is on somewhere") and not is_said("this is said by nobody at all")


# ---- paths

# What K3s has and k3a does not.
OF_K3S = {"server/manifests"}
PLACES = r"(?:/etc/k3a|/var/lib/k3a|/etc/systemd/system/k3a-|/etc/sysctl\.d/|/etc/modules-load\.d/|/etc/sysusers\.d/|/run/k3a)"


def paths(page: Path) -> set[str]:
    """The paths of hosts that a page names, those below the data directory too; what differs in them is cut off."""
    text = " ".join([*marked(page), *(block.text for block in blocks(page) if block.language != "text")])
    whole = re.findall(rf"(?<![\w.@=-])({PLACES}[\w./-]*)(?![\w./<*{{-])", re.sub(r"[=@](?=/)", " ", text))
    below = re.findall(r"(?<![\w./-])((?:server|agent)/(?!tasks|templates)[\w./-]+)(?![\w./<*{-])", " ".join(marked(page)))
    return {path.rstrip("./") for path in (*whole, *(f"{DATA_DIR}/{each}" for each in below if each not in OF_K3S))}


@cache
def places() -> tuple[re.Pattern[str], ...]:
    """Patterns of all paths that the code makes of its texts, and of the directories that lead to them."""
    found = set()
    for parts in templates():
        # Only the data directory, with which a path may begin, is more than one step.
        pattern = re.sub("^\0", "\1", "\0".join(map(re.escape, parts)))
        if "/" in pattern and not re.search(r"\s", "".join(parts)):
            steps = pattern.split("/")
            found |= {"/".join(steps[:count]) for count in range(2, len(steps) + 1)}
    usable = {each for each in found if len(re.sub(r"[\0\1\\]", "", each)) >= 6}
    return tuple(re.compile(each.replace("\0", "[^/]+?").replace("\1", ".+?")) for each in usable)


def is_place(path: str) -> bool:
    stem = path.rpartition("/")[2].partition(".")[0]
    if path.startswith(f"{UNIT_DIRECTORY}/"):
        return stem in UNITS
    below = path.removeprefix(f"{DATA_DIR}/")
    # In the directories whose files the layout is asked for by name.
    asked = re.sub(r"^(server|agent)/(cred|etc|tls)/", "", below)
    certificates = {each.stem or each.name for declared in registry.DECLARATIONS for each in declared.certificates}
    if below in literals() or (asked != below and (asked in literals() or re.sub(r"\.(crt|key)$", "", asked) in certificates)):
        return True
    is_named = bool(re.search(rf"(?<![\w-]){re.escape(stem)}(?![\w-])", all_literals()))
    return is_named and any(each.fullmatch(path) for each in places())


@each_page
def test_every_path_of_a_host_is_there(page):
    assert {path for path in paths(page) if not is_place(path)} == set()


def test_a_path_that_is_not_there_is_seen():
    assert is_place(f"{DATA_DIR}/server/token") and is_place("/etc/k3a/identity.json") and is_place(f"{DATA_DIR}/server/tls/etcd/client.crt")
    assert not is_place(f"{DATA_DIR}/server/manifests/own.yaml") and not is_place("/etc/k3a/config.yaml")
    assert is_place(f"{UNIT_DIRECTORY}/k3a-etcd.service")


# ---- numbers

HOSTS = ROOT / "docs/docsite/rst/guide_requirements.rst"


def rows(page: Path, header: str) -> list[list[str]]:
    """The rows of the table of a page that has such a first cell in its header."""
    text = page.read_text()
    table = text[re.search(rf"\* - {re.escape(header)}\n", text).end() :]
    table = table[: re.search(r"\n\n\S", table + "\n\nend").start()]
    found: list[list[str]] = []
    for starts, cell in re.findall(r"^ +(\* )?- ?(.*(?:\n {7}\S.*)*)$", table, re.M):
        if starts:
            found.append([])
        if found:
            found[-1].append(" ".join(cell.split()))
    return found


def test_the_table_of_ports_has_all_that_are_declared():
    declared = {
        (f"{port.number}/{port.protocol}", declared.unit.removesuffix(".service"), port.reach, f"k3a_{port.option}" if port.option else "")
        for declared in registry.DECLARATIONS
        for port in declared.ports
    }
    written = set()
    for port, unit, reach, *rest in [*rows(HOSTS, "Port"), *rows(HOSTS, "Port on loopback")]:
        option = re.search(r"k3a_\w+port\b", " ".join([reach, *rest]))
        written.add((port, unit.strip("`"), LOOPBACK if reach not in ("anywhere", "nodes", "servers") else reach, option[0] if option else ""))
    assert written == declared


def test_the_sizes_are_those_of_the_preflight():
    text = HOSTS.read_text()
    for number in (check.SERVER_MEMORY, check.AGENT_MEMORY, check_storage.HEADROOM):
        assert f"{number // check.MIB} MiB" in text
    assert f"{check_storage.FEWEST_INODES:,}".replace(",", " ") in text
    assert f"systemd {check.OLDEST_SYSTEMD}" in text
    for command in {**check.COMMANDS, **check.IPTABLES_COMMANDS}:
        assert f"``{command}``" in text


@each_page
def test_addresses_on_loopback_have_ports_of_ours(page):
    known = {port.number for declared in registry.DECLARATIONS for port in declared.ports}
    assert {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", page.read_text())} - known == set()


# ---- inventories


def variables_in(block: Block, directory: Path) -> dict[str, dict[str, Any]]:
    """The variables of each host of a block that is an inventory, or those of a file of variables."""
    names = {*SERVER, *AGENT}
    if block.language == "ini":
        if not re.search(r"^\[(all:vars|(k3a_)?(server|agent)(:\w+)?)\]", block.text, re.M):
            return {}
        path = directory / "hosts"
        path.write_text(block.text)
    elif block.language == "yaml":
        content = yaml.safe_load(block.text)
        if not isinstance(content, dict):
            return {}
        if any(name.startswith("k3a_") and name not in GROUPS for name in content):
            return {"": {name: value for name, value in content.items() if name.startswith("k3a_")}}
        if "all" not in content and not names.intersection(content):
            return {}
        path = directory / "hosts.yml"
        path.write_text(block.text)
    else:
        return {}
    manager = InventoryManager(DataLoader(), sources=[str(path)])
    groups = manager.get_groups_dict()
    assert names.intersection(groups) or not groups["all"], "hosts are in our groups"
    inherited = dict(manager.groups["all"].vars)
    return {
        **({"": inherited} if inherited else {}),
        **{host.name: {**inherited, **host.get_vars()} for host in manager.get_hosts()},
    }


SETTINGS = [(relative(page), block) for page in PAGES for block in blocks(page) if block.language in ("ini", "yaml")]


@pytest.mark.parametrize("page, block", SETTINGS, ids=lambda value: value if isinstance(value, str) else value.text[:40])
def test_an_inventory_passes_the_check_of_variables(page, block, tmp_path):
    for given in variables_in(block, tmp_path).values():
        assert spec.strangers(given) == []
        values, problems = spec.evaluate(spec.specification(), given, lambda value: value, lambda path: "a secret")
        assert problems == []
        own = {name: value for name, value in values.items() if name not in ("k3a_bundle", "k3a_kubeconfig", "k3a_manifests")}
        assert variables.variable_findings(own, KNOWN_FLAGS) == []


# ---- links


def anchors(page: Path) -> set[str]:
    """The anchors of a page of Markdown, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", head.replace("`", "").lower()).strip().replace(" ", "-") for head in heads}


@each_page
def test_every_link_leads_to_a_page_of_ours(page):
    text = page.read_text()
    own = re.findall(r"https://github\.com/k3a/k3a\.cluster/blob/main/([^\s)>]+)", text)
    near = [] if page.suffix == ".rst" else re.findall(r"\]\((?!https?:)([^)]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    for base, link in [*((ROOT, link) for link in own), *((page.parent, link) for link in near)]:
        path, _hash, anchor = link.partition("#")
        target = (base / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), link
    labels = {label for guide in GUIDES for label in re.findall(r"^\.\. _(\S+):$", guide.read_text(), re.M)}
    if page.suffix == ".rst":
        assert set(re.findall(r":ref:`(?:[^`<]*<)?([^`>]+)>?`", text)) - labels == set()


def test_every_guide_is_listed_and_linked_once():
    listed = yaml.safe_load((ROOT / "docs/docsite/extra-docs.yml").read_text())["sections"]
    names = [name for section in listed for name in section["toctree"]]
    assert sorted(names) == [guide.stem for guide in GUIDES]
    readme = (ROOT / "README.md").read_text()
    assert [guide.name for guide in GUIDES if f"docs/docsite/rst/{guide.name}" not in readme] == []
    for guide in GUIDES:
        assert guide.read_text().startswith(f".. _ansible_collections.k3a.cluster.docsite.{guide.stem}:\n")
