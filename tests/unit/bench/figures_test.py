"""What tools/bench makes of figures."""

import unittest

from bench import figures


def row(what, connections, rate, **more):
    return {"what": what, "connections": connections, "rate": rate, "p50": 1, "server_us": 5} | more


class Ratios(unittest.TestCase):
    def test_what_was_not_measured_has_no_ratio(self):
        self.assertIsNone(figures.ratio(None, 3))
        self.assertIsNone(figures.ratio(3, None))
        self.assertIsNone(figures.ratio(3, 0))
        self.assertEqual(figures.ratio(0, 4), 0)

    def test_runs_of_one_figure_are_averaged_and_their_failures_kept(self):
        runs = [{"rate": 10, "server_us": None, "failures": ["a"]},
                {"rate": 20, "server_us": None, "failures": []}]
        self.assertEqual(figures.averaged(runs),
                         {"rate": 15, "server_us": None, "failures": ["a"]})

    def test_a_push_is_compared_by_changes_with_the_best_ceiling(self):
        rows = [row("push of 10", 32, 100, changes=10,
                    ceilings=[{"rows": 10, "rate": 1200}, {"rows": 100, "rate": 2000}])]
        figures.add_ratios(rows)
        self.assertEqual(rows[0]["best_ceiling"]["rows"], 100)
        self.assertEqual(rows[0]["to_ceiling"], 0.5)

    def test_reads_are_compared_with_health_and_the_original(self):
        rows = [row("health", 32, 100), row("empty pull, from memory", 32, 6400, server_us=10)]
        figures.add_ratios(rows)
        self.assertEqual(rows[1]["to_health"], 64)
        self.assertEqual(rows[1]["cpu_to_health"], 2)
        self.assertEqual(rows[1]["to_original"], 2)
        self.assertIsNone(rows[1]["to_ceiling"])

    def test_one_connection_is_compared_with_the_original_by_latency(self):
        rows = [row("push of 1", 1, 100, p50=0.19, changes=1)]
        figures.add_ratios(rows)
        self.assertAlmostEqual(rows[0]["to_original"], 10)

    def test_a_ceilings_batches_can_be_filled_by_the_load(self):
        self.assertEqual(figures.ceiling_sizes(100, 1), [100])
        self.assertEqual(figures.ceiling_sizes(1, 32), [1, 10])
        self.assertEqual(figures.ceiling_sizes(1, 256), [10, 100])
        self.assertEqual(figures.ceiling_sizes(100, 32), [100, 1000])
        self.assertEqual(figures.ceiling_sizes(100, 256), [1000, 4000])


class Goals(unittest.TestCase):
    def test_only_what_was_measured_is_judged(self):
        self.assertEqual(figures.goals([]), [])

    def test_the_better_of_both_loads_of_100_counts(self):
        found = figures.goals([row("push of 100", 32, 1, to_ceiling=0.7),
                               row("push of 100", 256, 1, to_ceiling=0.8)])
        self.assertEqual([goal[1:] for goal in found], [(0.8, 0.75, True)])

    def test_a_latency_must_not_pass_its_bound(self):
        self.assertEqual(figures.goals([row("push of 1", 1, 1, p50=0.7)])[0][1:], (0.7, 0.6, False))


class Text(unittest.TestCase):
    def test_a_table_is_markdown(self):
        columns = [("a", lambda one: one["a"]), ("b", lambda one: figures.number(one["b"]))]
        self.assertEqual(figures.table(columns, [{"a": "x", "b": None}, {"a": "y", "b": 1234.5}]),
                         "| a | b |\n| --- | --- |\n| x | – |\n| y | 1234 |\n")

    def test_a_reports_figures_fill_a_text(self):
        report = {"figures": {"rate": 3.14159}, "latencies_ms": {"to last": {"p99": 2}}}
        text = "{rate:.2f} a second, {to last/p99:.1f} ms, {no:.0f}"
        self.assertEqual(figures.filled(report, text), "3.14 a second, 2.0 ms, –")

    def test_a_loads_processor_time_is_told_for_a_request(self):
        report = {"figures": {"rate": 1000, "failed": 0, "own CPU": 10, "server CPU": 50},
                  "latencies_ms": {"push": {"p50": 1, "p99": 2}}, "failures": []}
        found = figures.load_figures(report, "push")
        self.assertAlmostEqual(found["server_us"], 500)
        self.assertAlmostEqual(found["load_us"], 100)
        self.assertEqual(found["p99"], 2)


if __name__ == "__main__":
    unittest.main()
