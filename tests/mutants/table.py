"""The ways to break the system, and the tests that must not let any of them pass."""

from tests.mutants.mutant import Mutant

_ONCE = "tests/deliverer/test_once.py"
_SETTLED = "libs/hookstream/stream/settled.py"
_WINDOW = "libs/hookstream/stream/window.py"
_TURN = "services/deliverer/deliveries_to_outcomes.py"
_SETTLE = "services/deliverer/settle.py"
_JUDGE = "services/deliverer/judge.py"
_LANES = "services/deliverer/lanes.py"
_SHARES = "services/deliverer/shares.py"
_ISOLATION = "tests/deliverer/test_isolation.py"
_HANG = f"{_ISOLATION}::test_one_receiver_cannot_slow_another_though_500_hang_at_nine_tenths_of_the_traffic"
_FALL_SILENT = (
    f"{_ISOLATION}::test_one_receiver_cannot_slow_another_when_300_of_1000_fall_silent_at_once"
)
_KEPT = f"{_ISOLATION}::test_rates_are_kept_and_used_also_by_the_next_owner_and_an_edit_moves_what_waits"
_WITHHELD = "tests/deliverer/test_withheld.py"
_OWN = "tests/deliverer/test_own_faults.py"
_TIERS = "services/retry/tiers.py"
_RETRY = "services/retry/tiers_to_deliveries.py"

ONCE = (
    Mutant(
        "an offset is done before its turn is settled",
        _TURN,
        "        self._opened(passage, partition)\n        if step",
        "        self._opened(passage, partition)\n        record.done()\n        if step",
        (f"{_ONCE}::test_two_crashes_in_a_row_behind_one_hung_record_repeat_only_the_hung_one",),
    ),
    Mutant(
        "an offset is done before the broker has the successor",
        _SETTLE,
        "        if following.due_at_ms - _now_ms() < FAR_MS:\n",
        "        if following.due_at_ms:\n"
        "            self._done(passage, then)\n"
        "        elif following.due_at_ms - _now_ms() < FAR_MS:\n",
        (f"{_ONCE}::test_killed_between_two_steps_nothing_is_sent_again_and_the_chain_goes_on",),
    ),
    Mutant(
        "the successor is written before the outcome",
        _SETTLE,
        "        self._write(passage, ending if alive else SUPERSEDED, then)\n",
        "        known = settlement(passage.delivery, ending, passage.hash, passage.record.offset)\n"
        "        following = successor(passage.delivery, known)\n"
        "        write = lambda _: self._write(passage, ending if alive else SUPERSEDED, then)\n"
        "        if following is None:\n"
        "            write(None)\n"
        "        else:\n"
        "            self._forward(passage, following, known, write)\n",
        (f"{_ONCE}::test_killed_between_two_steps_nothing_is_sent_again_and_the_chain_goes_on",),
    ),
    Mutant(
        "Settled is ignored",
        _TURN,
        "        step = partition.settled.take(delivery.id, delivery.turn, hash_)\n",
        "        step = Step.EXECUTE\n",
        (f"{_ONCE}::test_the_same_event_twice_is_the_same_delivery",),
    ),
    Mutant(
        "begun before a stop, a request is written after it",
        "services/deliverer/transport.py",
        "            if not may_go():",
        "            if False:",
        (f"{_WITHHELD}::test_begun_before_a_stop_and_not_written_it_waits_for_the_group",),
    ),
    Mutant(
        "a partition lost in a stop is asked for before the doubt",
        "services/deliverer/passage.py",
        "        return bool(assignment.state.steady()) and assignment.alive\n",
        "        return assignment.alive and bool(assignment.state.steady())\n",
        (f"{_WITHHELD}::test_begun_before_a_stop_and_lost_meanwhile_it_is_never_written",),
    ),
    Mutant(
        "superseded counts as settled",
        _SETTLED,
        "        if settlement.result in UNSETTLED:\n            return\n        key",
        '        if settlement.result == "conflict":\n            return\n        key',
        ("tests/unit/test_settled.py",),
    ),
    Mutant(
        "the same id with another payload is sent",
        _SETTLED,
        "        if known.hash and hash_ and known.hash != hash(hash_):\n",
        "        if False:\n",
        ("tests/unit/test_settled.py",),
    ),
    Mutant(
        "the done map is not written",
        _WINDOW,
        "        if end <= base:\n",
        "        if end >= 0:\n",
        ("tests/unit/test_window.py",),
    ),
    Mutant(
        "what was deleted unread is not told",
        _WINDOW,
        "        unread = len(skipped) - sum(offset in skipped for offset in self._inherited)\n",
        "        unread = 0\n",
        ("tests/stream/test_lost.py",),
    ),
    Mutant(
        "a partition that went to another is settled all the same",
        _SETTLE,
        "        self._write(passage, ending if alive else SUPERSEDED, then)\n",
        "        self._write(passage, ending, then)\n",
        ("tests/deliverer/test_settle.py",),
    ),
    Mutant(
        "views do not ask where the offsets stand",
        "libs/hookstream/store/offsets.py",
        "    if cursor.rowcount != len(wanted):\n",
        "    if False:\n",
        ("tests/status/test_views.py::test_a_batch_whose_offsets_moved_leaves_nothing",),
    ),
    Mutant(
        "an outbox row is deleted before the broker has it",
        "services/status/outbox_to_topics.py",
        "        self._send(holder, [record for record in records if record.topic == CONFIG])\n",
        "        outbox.delete(holder.connection, [row.id for row in rows])\n"
        "        self._send(holder, [record for record in records if record.topic == CONFIG])\n",
        ("tests/status/test_unacknowledged.py",),
    ),
    Mutant(
        "a verification is sent before its webhook is known",
        "services/status/outbox_to_topics.py",
        "        self._send(holder, [record for record in records if record.topic == CONFIG])\n"
        "        self._send(holder, [record for record in records if record.topic != CONFIG])\n",
        "        self._send(holder, records)\n",
        ("tests/status/test_unacknowledged.py",),
    ),
)

ON_TIME = (
    Mutant(
        "policies are scaled and tiers are not",
        _TIERS,
        "    remaining_ms = (due_at_ms - now_ms) / scale\n",
        "    remaining_ms = due_at_ms - now_ms\n",
        ("tests/unit/test_tiers.py",),
    ),
    Mutant(
        "a tier waits longer than its name says",
        "libs/hookstream/stream/topics.py",
        '    "retry.2s": 2_000,\n',
        '    "retry.2s": 4_500,\n',
        ("tests/unit/test_tiers.py",),
    ),
    Mutant(
        "a record is released before it is due",
        _RETRY,
        "        if held.due_at_ms > self._clock_ms():\n",
        "        if held.due_at_ms > self._clock_ms() + 2_500:\n",
        ("tests/retry/test_retry.py::test_each_comes_when_due_by_the_tiers_that_are_left_in_time",),
    ),
    Mutant(
        "a tier's wait is measured by the broker's clock",
        _TIERS,
        "    until_ms = _moment(headers.get(UNTIL))\n",
        "    until_ms = appended_ms + wait_ms\n",
        ("tests/retry/test_clocks.py::test_a_clock_that_differs_from_the_brokers_changes_nothing",),
    ),
    Mutant(
        "retry topics are trimmed to their end",
        "libs/hookstream/stream/trim.py",
        "            TopicPartition(name, partition, at.offset)\n",
        "            TopicPartition(name, partition, -1)\n",
        ("tests/retry/test_disk.py::test_what_has_gone_on_is_deleted_and_nothing_else",),
    ),
    Mutant(
        "Retry-After is ignored",
        _JUDGE,
        "    if not policy.retry_after or answer.retry_after is None:\n",
        "    if True:\n",
        ("tests/deliverer/test_judge.py",),
    ),
    Mutant(
        "judge always retries",
        _JUDGE,
        "    if not _is_retried(policy, answer, used_transaction_id):\n",
        "    if False:\n",
        ("tests/deliverer/test_judge.py",),
    ),
    Mutant(
        "a delivery is retried past its end",
        _JUDGE,
        "    if due_at_ms > delivery.give_up_at_ms:\n",
        "    if False:\n",
        ("tests/deliverer/test_judge.py",),
    ),
)

APART = (
    Mutant(
        "suspects may take every slot",
        _LANES,
        "        has_slot = self.shares.has_slot(endpoint.rank, in_flight)\n",
        "        has_slot = self.in_flight < self._slots\n",
        ("tests/deliverer/test_lanes.py",),
    ),
    Mutant(
        "silence makes no suspect",
        _LANES,
        "                endpoint.silent += 1\n",
        "                endpoint.silent += 0\n",
        ("tests/deliverer/test_lanes.py",),
    ),
    Mutant(
        "every webhook ranks as fast, though it hangs",
        _SHARES,
        "    if silent or health.limit < START:\n        return SUSPECT\n",
        "    if FAST:\n        return FAST\n",
        (_HANG,),
    ),
    Mutant(
        "every webhook ranks as fast, though it falls silent",
        _SHARES,
        "    if silent or health.limit < START:\n        return SUSPECT\n",
        "    if FAST:\n        return FAST\n",
        (_FALL_SILENT,),
    ),
    Mutant(
        "suspects may hold as much as the unproven",
        _SHARES,
        "max(1, slots // 8)",
        "max(1, slots // 2)",
        (_HANG,),
    ),
    Mutant(
        "a lane that was taken over does not wait",
        "services/deliverer/endpoint.py",
        "self.since_ms + max(TAKEN_OVER_MS, self.interval_ms)",
        "self.since_ms",
        (_KEPT,),
    ),
    Mutant(
        "a lane's rate is ignored",
        _LANES,
        "        at_once = not ahead and has_slot and endpoint.lane.next_free_ms <= now_ms\n",
        "        at_once = not ahead and has_slot\n",
        ("tests/deliverer/test_rates.py",),
    ),
    Mutant(
        "a loop reads on, however much is open",
        "libs/hookstream/stream/loop.py",
        "        full = (\n            self._handler.full()\n",
        "        full = not windows and (\n            self._handler.full()\n",
        ("tests/system/test_bounded.py",),
    ),
    Mutant(
        "a rebalance under way counts as having been replaced",
        "libs/hookstream/stream/member.py",
        "        KafkaError.UNKNOWN_MEMBER_ID,\n",
        "        KafkaError.UNKNOWN_MEMBER_ID,\n        KafkaError.ILLEGAL_GENERATION,\n",
        ("tests/stream/test_rebalances.py",),
    ),
    Mutant(
        "a limit that was cut keeps four times as many waiting, and no more",
        "services/deliverer/admit.py",
        "    if health.suspect or not view.pace_ms:\n",
        "    if health.is_cut or not view.pace_ms:\n",
        ("tests/unit/test_isolation.py", "tests/deliverer/test_admit.py"),
    ),
    Mutant(
        "a slow pattern of a schema costs no steps",
        "libs/hookstream/model/json_schema.py",
        "    _meter.get().spend(len(text) * compiled.programsize // 2048)\n",
        "",
        ("tests/unit/test_json_schema.py",),
    ),
    Mutant(
        "one turn's fault of ours ends the process",
        _TURN,
        "            self._mishap(passage, error)\n",
        "            self._failed(error)\n",
        (_OWN,),
    ),
    Mutant(
        "a turn whose receiver has answered is sent again for a fault of ours",
        "services/deliverer/ending.py",
        "    if answer is None or answer.status is None:\n",
        "    if True:\n",
        (_OWN,),
    ),
    Mutant(
        "a process that can do nothing right puts everything aside",
        "libs/hookstream/stream/fault_rate.py",
        "        return sum(self._last) > LAST // 2\n",
        "        return False\n",
        (_OWN, "tests/router/test_own_faults.py"),
    ),
    Mutant(
        "an event that meets a fault of ours ends the router",
        "services/router/events_to_deliveries.py",
        "        if self._fault_rate.failed():\n            raise error\n",
        "        raise error\n",
        ("tests/router/test_own_faults.py",),
    ),
)

SAFE = (
    Mutant(
        "requests are not signed",
        "libs/hookstream/model/request.py",
        '    if scheme.scheme != "none" and opened.keys:\n',
        "    if False:\n",
        ("tests/unit/test_request.py",),
    ),
    Mutant(
        "the egress guard is off",
        "services/deliverer/egress.py",
        "        if not self.allows(address[0]):\n",
        "        if False:\n",
        ("tests/deliverer/test_egress.py",),
    ),
    Mutant(
        "secrets are saved and published as they are",
        "services/console/sealing.py",
        '        "secrets": [keys.seal(secret.encode(), secret_place(workspace, webhook), nonce())],\n',
        '        "secrets": [secret.encode()],\n',
        ("tests/system/test_nothing_leaks.py::test_planted_secrets_are_in_no_topic",),
    ),
    Mutant(
        "a delivery of another workspace is shown",
        "libs/hookstream/store/log.py",
        '"SELECT {} FROM deliveries WHERE id = %s AND workspace = %s LIMIT 1"',
        "\"SELECT {} FROM deliveries WHERE id = %s AND %s <> '' LIMIT 1\"",
        ("tests/console/test_tenants.py",),
    ),
    Mutant(
        "a payload is read and written anew",
        "services/ingest/door.py",
        "        data=bytes(posted.data),\n",
        '        data=__import__("msgspec").json.encode(__import__("json").loads(posted.data)),\n',
        ("tests/ingest/test_requests.py::test_data_stands_on_the_topic_byte_for_byte",),
    ),
)

MUTANTS = (*ONCE, *ON_TIME, *APART, *SAFE)
