# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import membership
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdError, EtcdUnavailable, Heard
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.membership import Membership
from ansible_collections.k3a.cluster.tests.unit.etcd_members import ID, Cluster, identity, member, url

S1, S2 = member(1), member(2)


MINE = identity(3)


def seen(members, kept=None, **more):
    """As the third server sees it."""
    heard = None if members is None else Heard(ID, tuple(members))
    return membership.Situation("s3", url(3), kept, heard, **more)


def refusal(situation):
    with pytest.raises(membership.MembershipError) as raised:
        membership.decide(situation)
    return str(raised.value)


class TestDecide:
    def test_a_new_server_joins_as_a_learner_that_is_to_vote(self):
        plan = membership.decide(seen([S1, S2]))
        assert plan == Membership(add=True, promote=True)
        assert plan.changed

    def test_a_voting_member_with_its_data_has_nothing_to_do(self):
        plan = membership.decide(seen([S1, S2, member(3)], kept=MINE))
        assert plan == Membership()
        assert not plan.changed

    def test_a_learner_that_a_killed_run_has_left_is_promoted(self):
        assert membership.decide(seen([S1, member(3, learner=True)], kept=MINE)) == Membership(promote=True)

    def test_one_that_was_announced_and_never_started_is_started(self):
        """Only its address tells who it is."""
        announced = member(3, learner=True, started=False)
        assert membership.decide(seen([S1, announced])) == Membership(promote=True)
        # It was killed after it had begun to keep data and before it could tell its name.
        assert membership.decide(seen([S1, announced], kept=MINE)) == Membership(promote=True)

    def test_a_learner_whose_data_is_gone_joins_anew(self):
        mine = member(3, learner=True)
        assert membership.decide(seen([S1, S2, mine])) == Membership(remove=(mine,), add=True, promote=True)

    @pytest.mark.parametrize("started", [True, False])
    def test_another_servers_learner_gives_way(self, started):
        """There can be but one; it joins again when its own turn comes."""
        other = member(4, learner=True, started=started)
        plan = membership.decide(seen([S1, S2, other]))
        assert plan == Membership(remove=(other,), add=True, promote=True)

    def test_data_of_a_member_that_was_removed_is_set_aside(self):
        assert membership.decide(seen([S1, S2], kept=MINE)) == Membership(set_aside=True, add=True, promote=True)

    def test_an_address_that_has_changed_is_told(self):
        mine = replace(member(3), peer_urls=(url(33),))
        plan = membership.decide(seen([S1, S2, mine], kept=MINE))
        assert plan == Membership(update=mine)
        assert plan.changed
        learner = replace(mine, learner=True)
        assert membership.decide(seen([S1, learner], kept=MINE)) == Membership(update=learner, promote=True)

    def test_a_member_at_this_address_is_this_one_whatever_its_name(self):
        former = replace(member(3), name="of-old")
        assert membership.decide(seen([S1, former], kept=MINE)) == Membership()
        assert membership.decide(seen([S1, former], kept=MINE, recorded=MINE)) == Membership()
        assert refusal(seen([S1, former])) == (
            "s3, which etcd knows as of-old, is a voting member of etcd and its data is gone from this host; "
            "set k3a_replace=true for it to have the member replaced by a new one"
        )

    def test_a_member_that_was_renamed_and_moved_is_known_by_its_data(self):
        """A host that got another name and another address at once, before or after its first record."""
        former = replace(member(3), name="of-old", peer_urls=(url(33),))
        for recorded in (None, MINE):
            assert membership.decide(seen([S1, S2, former], kept=MINE, recorded=recorded)) == Membership(update=former)

    def test_a_member_whose_data_is_gone_is_known_by_its_record(self):
        former = replace(member(3), name="of-old", peer_urls=(url(33),))
        assert "s3, which etcd knows as of-old, is a voting member" in refusal(seen([S1, S2, former], recorded=MINE))

    def test_the_data_of_another_member_is_refused(self):
        told = refusal(seen([S1, S2, member(3)], kept=identity(2), recorded=MINE, replace=True))
        assert told.startswith("the data of etcd on s3 is that of s2, and this host is s3; put its own data back, or reset")

    def test_data_of_a_former_membership_does_not_make_the_member_that_is_now_forgotten(self):
        """An old copy of the disk: the member was replaced since."""
        now = replace(member(3), id="33")
        told = refusal(seen([S1, S2, now], kept=MINE, recorded=identity(33)))
        assert told.startswith("s3 is a voting member of etcd and the data here is another's; set k3a_replace=true")
        plan = membership.decide(seen([S1, S2, now], kept=MINE, recorded=identity(33), replace=True))
        assert plan == Membership(set_aside=True, remove=(now,), add=True, promote=True)

    def test_an_old_copy_of_its_data_is_as_good_as_none(self):
        old = {"kept": MINE, "recorded": MINE, "outdated": True}
        told = refusal(seen([S1, S2, member(3)], **old))
        assert told.startswith("s3 is a voting member of etcd and its data is an old copy; set k3a_replace=true for it")
        plan = membership.decide(seen([S1, S2, member(3)], replace=True, **old))
        assert plan == Membership(set_aside=True, remove=(member(3),), add=True, promote=True)
        assert refusal(seen(None, **old)).startswith("the data of etcd on s3 is an old copy: what was written since is not")

    def test_data_over_which_etcd_ends_again_and_again_is_as_good_as_none(self):
        broken = {"kept": MINE, "recorded": MINE, "complaint": "tocommit(9) is out of range"}
        assert refusal(seen([S1, S2, member(3)], **broken)) == (
            "s3 is a voting member of etcd and ends again and again over its data (tocommit(9) is out of range); "
            "set k3a_replace=true for it to have the member replaced by a new one"
        )
        plan = membership.decide(seen([S1, S2, member(3)], replace=True, **broken))
        assert plan == Membership(set_aside=True, remove=(member(3),), add=True, promote=True)
        # Where nobody else can be asked it is all that there is.
        assert membership.decide(seen(None, replace=True, **broken)) == Membership()

    @pytest.mark.parametrize("replaced", [False, True])
    def test_the_data_of_another_cluster_is_never_set_aside(self, replaced):
        other = identity(3, cluster="7")
        told = refusal(seen([S1, S2], kept=other, replace=replaced))
        assert told.startswith(
            f"etcd on s3 cannot join the others: its data is of the cluster 7 of etcd, and theirs is {ID}; put its own data"
        )
        told = refusal(seen([S1, S2], recorded=other, replace=replaced))
        assert "/etc/k3a/etcd.json is of the cluster 7 of etcd" in told

    def test_a_voting_member_whose_data_is_gone_is_replaced_only_when_told_to(self):
        mine, stranger = member(3), member(4, learner=True)
        with pytest.raises(membership.MembershipError) as raised:
            membership.decide(seen([S1, S2, mine]))
        assert str(raised.value) == (
            "s3 is a voting member of etcd and its data is gone from this host; "
            "set k3a_replace=true for it to have the member replaced by a new one"
        )
        plan = membership.decide(seen([S1, S2, mine, stranger], replace=True))
        assert plan == Membership(remove=(mine, stranger), add=True, promote=True)

    def test_what_has_its_data_is_not_replaced(self):
        assert membership.decide(seen([S1, S2, member(3)], kept=MINE, replace=True)) == Membership()


class TestWithoutMajority:
    def test_a_server_that_recorded_its_member_begins_no_other(self):
        told = refusal(seen(None, recorded=MINE, first_server="s3"))
        assert told == (
            "s3 is the member 3 of etcd and its data is gone from this host; mount its disk or put its data back, "
            "or start the other servers first"
        )

    def test_data_that_is_not_the_recorded_is_not_started_with(self):
        told = refusal(seen(None, kept=identity(4), recorded=MINE))
        assert told.startswith(f"the data of etcd on s3 is of the member 4 of the cluster {ID}, and by /etc/k3a/etcd.json")

    def test_the_first_server_begins_a_cluster(self):
        plan = membership.decide(seen(None, first_server="s3"))
        assert plan == Membership(starts_new_cluster=True)
        assert plan.changed

    @pytest.mark.parametrize("first_server", ["", "s1"])
    def test_nobody_else_does(self, first_server):
        with pytest.raises(membership.MembershipError) as raised:
            membership.decide(seen(None, first_server=first_server))
        assert str(raised.value).startswith("s3 cannot join etcd: no majority of its members answers; start the other")

    @pytest.mark.parametrize("first_server", ["", "s1", "s3"])
    def test_who_has_data_starts_with_it(self, first_server):
        """After an outage of all servers the majority is back only when they have started."""
        assert membership.decide(seen(None, kept=MINE, first_server=first_server, replace=True)) == Membership()

    def test_the_first_server_that_was_killed_when_the_cluster_had_begun_begins_no_other(self):
        assert membership.decide(seen([member(3)], kept=MINE, first_server="s3")) == Membership()


class TestMajority:
    @pytest.mark.parametrize("count, needed", [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
    def test_more_than_half(self, count, needed):
        assert membership.majority(count) == needed

    @pytest.mark.parametrize(
        "count, ill, lost",
        [
            (1, (), False),  # it has none to lose
            (1, ("s1",), False),
            (2, (), False),  # it is lost for a moment whatever is done
            (2, ("s2",), True),
            (3, (), False),
            (3, ("s1",), False),  # the leaving one is ill itself
            (3, ("s2",), True),
            (4, (), False),
            (4, ("s2",), True),
            (5, ("s2",), False),
            (5, ("s2", "s3"), True),
            (5, ("s1", "s2"), False),
        ],
    )
    def test_while_a_member_is_down(self, count, ill, lost):
        etcd = Cluster(*(member(number) for number in range(1, count + 1)), ill=ill)
        assert bool(membership.lost_by(etcd.kept[0], etcd.kept, etcd.healthy)) is lost

    @pytest.mark.parametrize(
        "count, ill, lost",
        [
            (1, (), True),
            (2, (), False),
            (2, ("s1",), False),
            (2, ("s2",), True),
            (3, (), False),
            (3, ("s2",), True),  # two are left, and both would have to agree
            (3, ("s1",), False),
            (4, ("s2",), False),
            (4, ("s2", "s3"), True),
            (5, ("s2",), False),
            (5, ("s2", "s3"), True),
            (5, ("s1", "s2"), False),
        ],
    )
    def test_when_a_member_is_removed(self, count, ill, lost):
        etcd = Cluster(*(member(number) for number in range(1, count + 1)), ill=ill)
        assert bool(membership.lost_without(etcd.kept[0], etcd.kept, etcd.healthy)) is lost

    def test_learners_and_strangers_count_for_nothing(self):
        etcd = Cluster(S1, S2, member(3), member(4, learner=True), ill=("s4",))
        learner = etcd.kept[3]
        assert [voter.name for voter in membership.voters(etcd.kept)] == ["s1", "s2", "s3"]
        for judge in (membership.lost_by, membership.lost_without):
            assert judge(S1, etcd.kept, etcd.healthy) is None
            assert judge(learner, etcd.kept, lambda _member: False) is None
        assert membership.lost_by(None, etcd.kept, lambda _member: False) is None

    def test_why_it_would_be_lost_is_said(self):
        three = Cluster(S1, S2, member(3), ill=("s2", "s3"))
        told = membership.lost_by(S1, three.kept, three.healthy)
        assert told == "2 healthy members of etcd must remain, and s2 and s3 are not healthy"
        two = Cluster(S1, S2, ill=("s2",))
        told = membership.lost_without(S1, two.kept, two.healthy)
        assert told == "1 healthy member of etcd must remain, and s2 is not healthy"
        assert membership.lost_without(S1, [S1], two.healthy) == "s1 is the last voting member of etcd"


class TestShown:
    def announced(self, situation):
        return membership.member_diff(situation, membership.decide(situation))

    def test_one_joins(self):
        before, after = self.announced(seen([S2, S1]))
        assert before == "s1 https://10.0.0.1:2380\ns2 https://10.0.0.2:2380\n"
        assert after == before + "s3 https://10.0.0.3:2380\n"

    def test_one_begins(self):
        assert self.announced(seen(None, first_server="s3")) == ("", "s3 https://10.0.0.3:2380\n")

    def test_one_is_promoted_or_moves(self):
        before, after = self.announced(seen([S1, member(3, learner=True)], kept=MINE))
        assert before == "s1 https://10.0.0.1:2380\ns3 https://10.0.0.3:2380 (learner)\n"
        assert after == "s1 https://10.0.0.1:2380\ns3 https://10.0.0.3:2380\n"
        moved = replace(member(3), peer_urls=(url(33),))
        before, after = self.announced(seen([moved], kept=MINE))
        assert (before, after) == ("s3 https://10.0.0.33:2380\n", "s3 https://10.0.0.3:2380\n")

    def test_one_that_is_replaced_stays_one(self):
        before, after = self.announced(seen([S1, member(3), member(4, learner=True)], replace=True))
        assert [line.split()[0] for line in before.splitlines()] == ["s1", "s3", "s4"]
        assert [line.split()[0] for line in after.splitlines()] == ["s1", "s3"]


class TestFirstStart:
    def test_it_is_told_of_all_others_by_name_and_of_itself(self):
        announced = member(3, learner=True, started=False)
        told = membership.initial_cluster(seen([S1, S2]), [S1, S2, announced])
        assert told == "s1=https://10.0.0.1:2380,s2=https://10.0.0.2:2380,s3=https://10.0.0.3:2380"

    def test_one_that_has_not_started_has_no_name_to_be_told(self):
        stranger = member(4, learner=True, started=False)
        told = membership.initial_cluster(seen([S1, stranger]), [S1, stranger])
        assert told == "s1=https://10.0.0.1:2380,s3=https://10.0.0.3:2380"

    def test_who_begins_is_alone(self):
        assert membership.initial_cluster(seen(None, first_server="s3"), []) == "s3=https://10.0.0.3:2380"

    def test_a_member_may_have_several_addresses(self):
        both = replace(S1, peer_urls=(url(1), "https://[fd00::1]:2380"))
        told = membership.initial_cluster(seen([both]), [both])
        assert told == "s1=https://10.0.0.1:2380,s1=https://[fd00::1]:2380,s3=https://10.0.0.3:2380"

    @pytest.mark.parametrize("name", ["s2=x", "s2,s9", "s2\nETCD_FORCE_NEW_CLUSTER=true", 's2"', "s2\\", "$HOME"])
    def test_a_name_that_would_be_more_than_one_is_not_told(self, name):
        with pytest.raises(membership.MembershipError, match="cannot be the name of a node; remove it, the member 2, with etcdctl"):
            membership.initial_cluster(seen([S1]), [S1, replace(S2, name=name)])

    def test_nor_is_an_address(self):
        with pytest.raises(membership.MembershipError, match=r"etcd has the member s2 at https://a b, which is no URL of one"):
            membership.initial_cluster(seen([S1]), [S1, replace(S2, peer_urls=("https://a\nb",))])


class TestWithdraw:
    def test_members_that_give_way_are_removed(self):
        mine, other = member(3), member(4, learner=True)
        etcd = Cluster(S1, S2, mine, other)
        membership.withdraw(etcd, Membership(remove=(mine, other), add=True))
        assert etcd.told == ["remove 3", "remove 4"]

    def test_a_second_try_does_what_is_left(self):
        """The answer to the first removal may have been lost."""
        mine, other = member(3), member(4, learner=True)
        etcd = Cluster(S1, S2, other)
        membership.withdraw(etcd, Membership(remove=(mine, other), add=True))
        assert etcd.told == ["remove 4"]

    def test_a_voting_member_stays_when_the_majority_needs_it(self):
        mine = member(3)
        etcd = Cluster(S1, S2, mine, ill=("s2", "s3"))
        with pytest.raises(membership.MembershipError) as raised:
            membership.withdraw(etcd, Membership(remove=(mine,), add=True))
        assert str(raised.value) == (
            "s3 cannot be replaced: 2 healthy members of etcd must remain, and s2 is not healthy"
        )
        assert etcd.told == []

    def test_a_learner_goes_whoever_is_ill(self):
        etcd = Cluster(S1, S2, member(4, learner=True), ill=("s1", "s2", "s4"))
        membership.withdraw(etcd, Membership(remove=(etcd.kept[2],), add=True))
        assert etcd.told == ["remove 4"]


class TestPromoted:
    def test_a_learner_that_has_caught_up_votes(self):
        etcd = Cluster(S1, member(3, learner=True))
        assert membership.promote(etcd, "s3", url(3)) is None
        assert etcd.told == ["promote 3"]
        assert membership.promote(etcd, "s3", url(3)) is None
        assert etcd.told == ["promote 3"]

    def test_until_it_has_caught_up_there_is_a_reason(self):
        etcd = Cluster(S1, member(3, learner=True))
        etcd.refusals = [EtcdUnavailable("no member of etcd answers (not in sync)"), EtcdError("too many learners")]
        assert membership.promote(etcd, "s3", url(3)) == (
            "s3 has not become a voting member of etcd: no member of etcd answers (not in sync)"
        )
        assert "too many learners" in membership.promote(etcd, "s3", url(3))
        assert membership.promote(etcd, "s3", url(3)) is None

    def test_until_it_has_told_its_name_it_is_not_known(self):
        etcd = Cluster(S1, member(3, learner=True, started=False))
        assert membership.promote(etcd, "s3", url(3)) == "etcd does not know s3 yet"
        etcd.majority = False
        assert "no member of etcd answers" in membership.promote(etcd, "s3", url(3))
