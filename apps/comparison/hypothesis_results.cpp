// SPDX-License-Identifier: MIT
#include "comparison/hypothesis_results.hpp"

#include "comparison/comparison_json.hpp"
#include "comparison/comparison_tables.hpp"

#include <pam/core/error.hpp>
#include <pam/metrics/detectable_difference.hpp>
#include <pam/metrics/overlap.hpp>
#include <pam/metrics/statistics.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace pam::apps {
namespace {

/// How much more the Wilcoxon test needs than the t-test where differences are normally distributed.
const double kWilcoxonFactor = 1 / std::sqrt(3 / 3.14159265358979323846);

std::string words_of(const std::string& metric) {
  static const std::map<std::string, std::string> words{{"iou", "IoU"},
                                                        {"miou", "mIoU"},
                                                        {"dice", "Dice"},
                                                        {"mdice", "mDice"},
                                                        {"fp_percent", "FP %"},
                                                        {"fn_percent", "FN %"},
                                                        {"hd", "HD"},
                                                        {"hd95", "HD95"},
                                                        {"hd95_concatenated", "HD95 (concatenated)"},
                                                        {"hd95_penalised", "HD95 pen."},
                                                        {"nsd", "NSD"},
                                                        {kFnAtEqualFp, "FN % at equal FP"}};
  return words.at(metric);
}

std::string words_of(const Hypothesis& hypothesis) {
  const auto* sign = hypothesis.direction == Direction::Less      ? "<"
                     : hypothesis.direction == Direction::Greater ? ">"
                                                                  : "differs from";
  return fmt::format("{} {} {}", hypothesis.net, sign, hypothesis.against);
}

std::string interval_text(const std::optional<BootstrapInterval>& interval) {
  return interval ? fmt::format("[{:.4g}, {:.4g}]", interval->low, interval->high) : "–";
}

std::optional<double> low_of(const std::optional<BootstrapInterval>& interval) {
  return interval ? std::optional<double>(interval->low) : std::nullopt;
}
std::optional<double> high_of(const std::optional<BootstrapInterval>& interval) {
  return interval ? std::optional<double>(interval->high) : std::nullopt;
}

double mean_of(const std::vector<double>& values) { return *mean_and_std(values).mean; }

MetricSummary over_seeds(const std::vector<SeedScore>& scores) {
  std::vector<double> means;
  for (const auto& score : scores) means.push_back(score.mean);
  return mean_and_std(means);
}

std::optional<double> value_of(const CaseScores& scores, const std::string& metric) {
  for (const auto& each : case_metrics()) {
    if (metric == each.key) return scores.*each.value;
  }
  return std::nullopt;
}

/// The cases in which both networks have the score: those that `paired_test` pairs.
std::set<std::string> paired_names(const std::vector<CaseScores>& a, const std::vector<CaseScores>& b,
                                   const std::string& metric) {
  std::set<std::string> defined, both;
  for (const auto& scores : a) {
    if (value_of(scores, metric)) defined.insert(scores.name);
  }
  for (const auto& scores : b) {
    if (value_of(scores, metric) && defined.count(scores.name) == 1) both.insert(scores.name);
  }
  return both;
}

std::vector<double> values_of(const std::vector<CaseScores>& cases, const std::set<std::string>& names,
                              const std::string& metric) {
  std::vector<double> values;
  for (const auto& scores : cases) {
    if (const auto value = value_of(scores, metric); value && names.count(scores.name) == 1) values.push_back(*value);
  }
  return values;
}

/// The mean over the cases `names` in each repeat with every fold; `missing` counts the values that there are not.
std::vector<SeedScore> seed_scores(const Comparison& comparison, const std::vector<const ComparedCell*>& cells,
                                   const std::set<std::string>& names, const std::string& metric,
                                   std::int64_t& missing) {
  std::vector<SeedScore> scores;
  for (std::int64_t repeat = 0; repeat < comparison.repeats; ++repeat) {
    const auto cases = detail::repeat_cases(comparison, cells, repeat);
    if (cases.empty()) continue;
    const auto values = values_of(cases, names, metric);
    missing += static_cast<std::int64_t>(names.size() - values.size());
    if (!values.empty()) scores.push_back({repeat, mean_of(values)});
  }
  return scores;
}

std::int64_t count_false_alarms(const std::vector<CaseScores>& cases, const std::set<std::string>& paired) {
  return std::count_if(cases.begin(), cases.end(),
                       [&](const CaseScores& scores) { return scores.false_alarm && paired.count(scores.name) == 0; });
}

/// `mine` and `theirs`: the cells of the two networks in the folds and repeats that both have.
HypothesisResult tested(const Hypothesis& hypothesis, const Comparison& comparison,
                        const std::vector<const ComparedCell*>& mine, const std::vector<const ComparedCell*>& theirs,
                        const BootstrapOptions& how) {
  const auto metric = hypothesis.metric == kFnAtEqualFp ? std::string("fn_percent") : hypothesis.metric;
  const auto net = detail::case_means(mine), against = detail::case_means(theirs);
  HypothesisResult result;
  result.hypothesis = hypothesis;
  result.test = paired_test(hypothesis.net, net, against, metric);
  result.test.metric = hypothesis.metric;
  const auto names = paired_names(net, against, metric);
  std::int64_t missing = 0, missing_against = 0;
  result.net = seed_scores(comparison, mine, names, metric, missing);
  result.against = seed_scores(comparison, theirs, names, metric, missing_against);
  for (const auto& first : result.net) {
    for (const auto& second : result.against) {
      if (first.repeat == second.repeat) result.seed_differences.push_back({first.repeat, first.mean - second.mean});
    }
  }
  if (const auto seeds = over_seeds(result.seed_differences); seeds.std) {
    const double half =
        student_t_quantile(0.975, seeds.cases - 1) * *seeds.std / std::sqrt(static_cast<double>(seeds.cases));
    result.seed_interval = BootstrapInterval{*seeds.mean - half, *seeds.mean + half};
  }
  if (const auto left_out = result.test.undefined + result.test.unpaired; left_out > 0) {
    result.notes.push_back(fmt::format(
        "{} cases are left out, in which one network or both have no value. Among them are false alarms, masks where "
        "there is nothing: {} of {}, {} of {}.",
        left_out, count_false_alarms(net, names), hypothesis.net, count_false_alarms(against, names),
        hypothesis.against));
  }
  if (missing + missing_against > 0) {
    result.notes.push_back(fmt::format(
        "single trainings have no value in some of the cases, such as the distance of a missed case, and means are "
        "over the others: {} values of {} and {} of {} are missing. hd95_penalised has a value for missed cases too.",
        missing, hypothesis.net, missing_against, hypothesis.against));
  }
  const auto& differences = result.test.differences;
  if (differences.empty()) return result;
  result.net_interval = bootstrap_interval(values_of(net, names, metric), mean_of, how);
  result.against_interval = bootstrap_interval(values_of(against, names, metric), mean_of, how);
  result.difference = bootstrap_interval(differences, mean_of, how);
  result.rank_biserial = rank_biserial(differences);
  result.rank_biserial_interval = bootstrap_interval(differences, rank_biserial, how);
  result.deviation = mean_and_std(differences).std;
  return result;
}

std::string verdict_of(const HypothesisResult& result, double alpha) {
  if (!result.test.p_holm) return "no pairs";
  if (*result.test.p_holm > alpha) return "not decided";
  const auto direction = result.hypothesis.direction;
  if (direction == Direction::Different) return "holds";
  return (*result.rank_biserial < 0) == (direction == Direction::Less) ? "holds" : "the opposite holds";
}

/// Notes where the FP rates of the validation cases were not made equal: they are nearer than 5 % where they were.
void note_fp_gap(HypothesisResult& result, const std::vector<MovedCell>& cells) {
  const MovedCell* worst = nullptr;
  std::int64_t unequal = 0;
  for (const auto& cell : cells) {
    const double gap = std::abs(cell.validation_fp - cell.reference_fp);
    if (gap > 0.05 * cell.reference_fp) ++unequal;
    if (worst == nullptr || gap > std::abs(worst->validation_fp - worst->reference_fp)) worst = &cell;
  }
  if (worst == nullptr) return;
  result.fp_gap = std::abs(worst->validation_fp - worst->reference_fp);
  if (unequal == 0) return;
  result.notes.push_back(fmt::format(
      "in {} of {} trainings of {} no threshold makes its FP rate equal to that of {} on the validation cases; the "
      "nearest gives {:.3g} % in place of {:.3g} % where it is worst. FN is then not at equal FP.",
      unequal, cells.size(), result.hypothesis.net, result.hypothesis.against, worst->validation_fp,
      worst->reference_fp));
}

/// Notes what the cases' test cannot say of other seeds.
void note_seeds(HypothesisResult& result) {
  const auto& test = result.test;
  if (result.rank_biserial && test.difference && *result.rank_biserial * *test.difference < 0) {
    result.notes.emplace_back(
        "the mean difference and the ranks have different signs: few large differences stand against many small ones. "
        "The test is of the ranks.");
  }
  if (result.verdict != "holds" && result.verdict != "the opposite holds") return;
  const auto& interval = result.seed_interval;
  if (result.seed_differences.size() == 1) {
    result.notes.emplace_back("each network was trained once: another seed may give the opposite.");
  } else if (interval && interval->low <= 0 && interval->high >= 0) {
    result.notes.push_back(fmt::format(
        "over the {} seeds the difference is {:.3g}, 95 % interval {} by Student's t, which contains 0: the test says "
        "that these trained networks differ over cases like these; other seeds may give the opposite.",
        result.seed_differences.size(), *over_seeds(result.seed_differences).mean, interval_text(interval)));
  }
}

/// Holm over all hypotheses, then verdicts and what could have been seen.
void decide(HypothesisReport& report) {
  std::vector<PairedTest> tests;
  for (const auto& result : report.results) tests.push_back(result.test);
  correct_holm(tests);
  const auto count =
      std::count_if(tests.begin(), tests.end(), [](const auto& test) { return test.p_value.has_value(); });
  report.each_alpha = report.alpha / static_cast<double>(std::max<std::ptrdiff_t>(count, 1));
  for (std::size_t i = 0; i < tests.size(); ++i) {
    auto& result = report.results[i];
    result.test.p_holm = tests[i].p_holm;
    result.verdict = verdict_of(result, report.alpha);
    note_seeds(result);
    // The smallest p-value of so few pairs, all with the same sign.
    const bool reachable =
        std::ldexp(1.0, static_cast<int>(1 - std::min<std::int64_t>(result.test.pairs, 1000))) <= report.each_alpha;
    if (result.deviation && reachable) {
      result.detectable =
          kWilcoxonFactor * detectable_difference(result.test.pairs, *result.deviation, report.each_alpha);
    }
  }
}

std::vector<const ComparedCell*> cells_of(const std::vector<MovedCell>& moved) {
  std::vector<const ComparedCell*> cells;
  for (const auto& each : moved) cells.push_back(&each.cell);
  return cells;
}

/// `mine` and `theirs` as in `tested`; `cells`: those of `mine` with histograms, at the threshold of equal FP.
EqualFpResult at_equal_fp(const Hypothesis& hypothesis, const Comparison& comparison,
                          const std::vector<const ComparedCell*>& mine, const std::vector<const ComparedCell*>& theirs,
                          std::vector<MovedCell> cells, const BootstrapOptions& how) {
  EqualFpResult result;
  result.net = hypothesis.net;
  result.against = hypothesis.against;
  const auto half = summarise_cells(comparison, result.net, mine),
             other = summarise_cells(comparison, result.against, theirs),
             moved = summarise_cells(comparison, result.net, cells_of(cells));
  result.cells = std::move(cells);
  result.fn_half = half.of("fn_percent");
  result.fp_half = half.of("fp_percent");
  result.fn_moved = moved.of("fn_percent");
  result.fp_moved = moved.of("fp_percent");
  result.fn_against = other.of("fn_percent");
  result.fp_against = other.of("fp_percent");
  const auto test = paired_test(result.net, moved.cases, other.cases, "fn_percent");
  result.difference = test.difference;
  if (!test.differences.empty()) result.interval = bootstrap_interval(test.differences, mean_of, how);
  return result;
}

std::string seeds_as_claimed(const HypothesisResult& result) {
  const auto direction = result.hypothesis.direction;
  const auto& differences = result.seed_differences;
  if (direction == Direction::Different || differences.empty()) return "–";
  const auto count = std::count_if(differences.begin(), differences.end(), [&](const SeedScore& each) {
    return direction == Direction::Less ? each.mean < 0 : each.mean > 0;
  });
  return fmt::format("{} of {}", count, differences.size());
}

Table verdict_table(const Hypotheses& hypotheses, const HypothesisReport& report) {
  Table table("Hypotheses", {"id",
                             "claim",
                             "score",
                             "tested",
                             {"pairs", 0},
                             {"difference", 4},
                             "interval",
                             {"rank-biserial", 2},
                             "its interval",
                             {"p", 0},
                             {"p Holm", 0},
                             "verdict"});
  for (const auto& result : report.results) {
    const auto& test = result.test;
    table.row({result.hypothesis.id, result.hypothesis.claim, words_of(result.hypothesis.metric),
               words_of(result.hypothesis), test.pairs, test.difference, interval_text(result.difference),
               result.rank_biserial, interval_text(result.rank_biserial_interval), detail::p_text(test.p_value),
               detail::p_text(test.p_holm), result.verdict});
    for (const auto& note : result.notes) table.note(result.hypothesis.id + ": " + note);
  }
  table.note(fmt::format(
      "Fixed before the runs, in {} (fingerprint {}). One pair per case: the mean over the repeats of each network. "
      "Wilcoxon signed-rank test, two-sided; Holm's correction over all hypotheses; holds: p Holm at most {} and the "
      "ranks as claimed; the opposite holds: p Holm at most {} and the ranks the other way.",
      hypotheses.file, hypotheses.fingerprint(), report.alpha, report.alpha));
  table.note(fmt::format(
      "Difference: the mean over the cases of the first network minus the second, in the score's unit. Rank-biserial: "
      "matched-pairs rank-biserial correlation (Kerby 2014), -1 to 1: the share of the rank sum of positive "
      "differences minus that of negative ones. Intervals: {:g} % percentile bootstrap over the cases, {} resamples, "
      "seed {}.",
      100 * hypotheses.bootstrap.level, hypotheses.bootstrap.resamples, hypotheses.bootstrap.seed));
  return table;
}

Table power_table(const HypothesisReport& report) {
  Table table("Seeds and power", {"id",
                                  "score",
                                  {"first", 4},
                                  {"second", 4},
                                  {"difference of seeds", 4},
                                  "its interval",
                                  "seeds as claimed",
                                  {"deviation of pairs", 4},
                                  {"detectable", 4}});
  for (const auto& result : report.results) {
    table.row({result.hypothesis.id, words_of(result.hypothesis.metric), detail::summary_cell(over_seeds(result.net)),
               detail::summary_cell(over_seeds(result.against)),
               detail::summary_cell(over_seeds(result.seed_differences)), interval_text(result.seed_interval),
               seeds_as_claimed(result), result.deviation, result.detectable});
    if (result.test.pairs > 0 && !result.detectable) {
      table.note(fmt::format("{}: whatever the difference, {} pairs cannot reach p = {:.3g}.", result.hypothesis.id,
                             result.test.pairs, report.each_alpha));
    }
  }
  table.note(
      "First, second and their difference: mean ± sample standard deviation over the seeds (repeats) of the mean over "
      "the cases that are paired; interval: 95 %, Student's t over the seeds.");
  table.note(fmt::format(
      "Detectable: the smallest mean difference that so many cases, with the observed deviation of the paired "
      "differences, would have shown with 80 % power at p = {:.3g}, which Holm's correction grants each hypothesis "
      "whatever the others give (noncentral t; times {:.3f} for the Wilcoxon test, as if differences were normal).",
      report.each_alpha, kWilcoxonFactor));
  return table;
}

/// "0.5" or "0.41 to 0.62": the thresholds of the cells.
std::string thresholds_of(const std::vector<MovedCell>& cells) {
  const auto [low, high] =
      std::minmax_element(cells.begin(), cells.end(), [](const auto& a, const auto& b) { return a.edge < b.edge; });
  const auto first = fmt::format("{:.4g}", edge_probability(low->edge)),
             last = fmt::format("{:.4g}", edge_probability(high->edge));
  return first == last ? first : fmt::format("{} to {}", first, last);
}

Table equal_fp_table(const HypothesisReport& report) {
  Table table("FN at equal FP", {"net",
                                 "against",
                                 "thresholds",
                                 {"FN % at 0.5", 2},
                                 {"FN % at equal FP", 2},
                                 {"FN % against", 2},
                                 {"difference at equal FP", 2},
                                 "interval",
                                 {"FP % at 0.5", 3},
                                 {"FP % at equal FP", 3},
                                 {"FP % against", 3},
                                 {"bins' FN %", 2}});
  double gap = 0;
  for (const auto& result : report.equal_fp) {
    double bins = 0;
    for (const auto& each : result.cells) {
      bins = std::max(bins, each.bin_fn);
      gap = std::max(gap, std::abs(each.validation_fp - each.reference_fp));
    }
    table.row({result.net, result.against, thresholds_of(result.cells), detail::summary_cell(result.fn_half),
               detail::summary_cell(result.fn_moved), detail::summary_cell(result.fn_against), result.difference,
               interval_text(result.interval), detail::summary_cell(result.fp_half),
               detail::summary_cell(result.fp_moved), detail::summary_cell(result.fp_against), bins});
  }
  table.note(
      "The first network's threshold is moved, for each fold and repeat on its validation cases, to the one at which "
      "its FP rate (mean over the cases of FP / (FP + TN)) is nearest to that of the second at 0.5; the FN and FP "
      "given are of the test cases, mean ± sample standard deviation over the repeats. Thresholds are of the "
      "foreground's probability.");
  table.note(fmt::format(
      "Probabilities are kept as histograms of {} bins of width {} in ln(p / (1 - p)), so thresholds are their edges. "
      "Largest difference of the two FP rates that is left on validation cases: {:.3g} percentage points. bins' FN: "
      "the foreground in the bin beside the threshold, which an exact threshold could have moved to the other side "
      "(largest of the cells).",
      kProbabilityBins, kLogitBinWidth, gap));
  return table;
}

nlohmann::ordered_json interval_json(const std::optional<BootstrapInterval>& interval) {
  if (!interval) return nullptr;
  return {interval->low, interval->high};
}

nlohmann::ordered_json seeds_json(const std::vector<SeedScore>& scores) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& score : scores) list.push_back({{"repeat", score.repeat}, {"mean", score.mean}});
  return list;
}

const char* direction_word(Direction direction) {
  return direction == Direction::Less ? "less" : direction == Direction::Greater ? "greater" : "different";
}

}  // namespace

std::vector<MovedCell> cells_at_equal_fp(const Comparison& comparison, const std::string& net,
                                         const std::string& against) {
  std::vector<MovedCell> moved;
  const auto references = detail::cells_of(comparison, against);
  for (const auto* cell : detail::cells_of(comparison, net)) {
    const auto reference = std::find_if(references.begin(), references.end(), [&](const auto* other) {
      return other->fold == cell->fold && other->repeat == cell->repeat;
    });
    if (reference == references.end()) continue;
    const auto fp = fp_percent_by_edge(cell->probabilities.validation),
               wanted = fp_percent_by_edge((*reference)->probabilities.validation);
    if (fp.empty() || wanted.empty() || cell->probabilities.test.empty()) continue;
    MovedCell found;
    found.reference_fp = wanted[static_cast<std::size_t>(kHalfEdge)];
    found.edge = kHalfEdge;
    const auto distance = [&](std::int64_t edge) {
      return std::pair(std::abs(fp[static_cast<std::size_t>(edge)] - found.reference_fp), std::abs(edge - kHalfEdge));
    };
    for (std::int64_t edge = 1; edge < kProbabilityBins; ++edge) {
      if (distance(edge) < distance(found.edge)) found.edge = edge;
    }
    found.validation_fp = fp[static_cast<std::size_t>(found.edge)];
    const auto fn = fn_percent_by_edge(cell->probabilities.test);
    if (!fn.empty()) {
      const auto at = static_cast<std::size_t>(found.edge);
      const double above = (at + 1 < fn.size() ? fn[at + 1] : 100.0) - fn[at];
      found.bin_fn = std::max(above, fn[at] - fn[at - 1]);
    }
    found.cell.net = net;
    found.cell.fold = cell->fold;
    found.cell.repeat = cell->repeat;
    found.cell.reversed = cell->reversed;
    found.cell.result.name = net;
    found.cell.result.parameters = cell->result.parameters;
    for (const auto& histogram : cell->probabilities.test) {
      CaseScores scores;
      scores.name = histogram.name;
      scores.confusion = counts_above(histogram, found.edge);
      if (const auto rate = fn_rate(scores.confusion)) scores.fn_percent = 100 * *rate;
      if (const auto rate = fp_rate(scores.confusion)) scores.fp_percent = 100 * *rate;
      found.cell.result.cases.push_back(std::move(scores));
    }
    moved.push_back(std::move(found));
  }
  return moved;
}

HypothesisReport judge(const Hypotheses& hypotheses, const Comparison& comparison) {
  HypothesisReport report;
  report.alpha = hypotheses.alpha;
  std::set<std::pair<std::string, std::string>> compared;
  for (const auto& hypothesis : hypotheses.list) {
    const auto &net = hypothesis.net, &against = hypothesis.against;
    const auto all = detail::cells_of(comparison, net), all_against = detail::cells_of(comparison, against);
    const auto mine = detail::with_partner(all, all_against), theirs = detail::with_partner(all_against, all);
    const bool moved = hypothesis.metric == kFnAtEqualFp;
    std::vector<MovedCell> cells;
    if (moved || hypothesis.metric == "fn_percent") cells = cells_at_equal_fp(comparison, net, against);
    const auto tested_cells = moved ? cells_of(cells) : mine;
    report.results.push_back(
        tested(hypothesis, comparison, tested_cells, detail::with_partner(theirs, tested_cells), hypotheses.bootstrap));
    auto& result = report.results.back();
    const auto planned = comparison.folds.size() * static_cast<std::size_t>(comparison.repeats);
    if (mine.size() < planned) {
      result.notes.push_back(
          fmt::format("{} of {} trainings of each network are compared; of the others, one or both "
                      "failed or are missing.",
                      mine.size(), planned));
    }
    if (moved) note_fp_gap(result, cells);
    if (!cells.empty() && compared.emplace(net, against).second) {
      report.equal_fp.push_back(
          at_equal_fp(hypothesis, comparison, mine, theirs, std::move(cells), hypotheses.bootstrap));
    }
  }
  decide(report);
  return report;
}

std::vector<Table> hypothesis_tables(const Hypotheses& hypotheses, const HypothesisReport& report) {
  std::vector<Table> tables{verdict_table(hypotheses, report), power_table(report)};
  if (!report.equal_fp.empty()) tables.push_back(equal_fp_table(report));
  return tables;
}

Table hypothesis_rows(const HypothesisReport& report) {
  Table table("", {"id",
                   "claim",
                   "metric",
                   "net",
                   "against",
                   "direction",
                   {"pairs", 0},
                   {"net mean over seeds", 6},
                   {"against mean over seeds", 6},
                   {"difference", 6},
                   {"difference low", 6},
                   {"difference high", 6},
                   {"rank-biserial", 6},
                   {"rank-biserial low", 6},
                   {"rank-biserial high", 6},
                   {"p", 6},
                   {"p Holm", 6},
                   {"difference of seeds", 6},
                   {"difference of seeds low", 6},
                   {"difference of seeds high", 6},
                   "seeds as claimed",
                   {"deviation of pairs", 6},
                   {"detectable", 6},
                   {"fp gap", 6},
                   "verdict"});
  for (const auto& result : report.results) {
    const auto& hypothesis = result.hypothesis;
    table.row({hypothesis.id,
               hypothesis.claim,
               hypothesis.metric,
               hypothesis.net,
               hypothesis.against,
               direction_word(hypothesis.direction),
               result.test.pairs,
               detail::summary_cell(over_seeds(result.net)),
               detail::summary_cell(over_seeds(result.against)),
               result.test.difference,
               low_of(result.difference),
               high_of(result.difference),
               result.rank_biserial,
               low_of(result.rank_biserial_interval),
               high_of(result.rank_biserial_interval),
               result.test.p_value,
               result.test.p_holm,
               detail::summary_cell(over_seeds(result.seed_differences)),
               low_of(result.seed_interval),
               high_of(result.seed_interval),
               seeds_as_claimed(result),
               result.deviation,
               result.detectable,
               result.fp_gap,
               result.verdict});
  }
  return table;
}

Table equal_fp_rows(const HypothesisReport& report) {
  Table table("", {"net",
                   "against",
                   {"fold", 0},
                   {"repeat", 0},
                   {"threshold", 6},
                   {"validation FP % at threshold", 6},
                   {"validation FP % against", 6},
                   {"test FN %", 6},
                   {"test FP %", 6},
                   {"bin FN %", 6}});
  for (const auto& result : report.equal_fp) {
    for (const auto& each : result.cells) {
      const auto summary = summarise(each.cell.result.cases);
      table.row({result.net, result.against, each.cell.fold, each.cell.repeat, edge_probability(each.edge),
                 each.validation_fp, each.reference_fp, summary.of("fn_percent").mean, summary.of("fp_percent").mean,
                 each.bin_fn});
    }
  }
  return table;
}

nlohmann::ordered_json to_json(const Hypotheses& hypotheses, const HypothesisReport& report) {
  nlohmann::ordered_json json{{"file", hypotheses.file},
                              {"fingerprint", hypotheses.fingerprint()},
                              {"alpha", report.alpha},
                              {"alpha_each", report.each_alpha},
                              {"power", 0.8},
                              {"resamples", hypotheses.bootstrap.resamples},
                              {"bootstrap_seed", hypotheses.bootstrap.seed},
                              {"level", hypotheses.bootstrap.level}};
  json["results"] = nlohmann::ordered_json::array();
  for (const auto& result : report.results) {
    const auto& hypothesis = result.hypothesis;
    auto entry = detail::test_json(result.test);
    entry["id"] = hypothesis.id;
    entry["claim"] = hypothesis.claim;
    entry["against"] = hypothesis.against;
    entry["direction"] = direction_word(hypothesis.direction);
    entry["difference_interval"] = interval_json(result.difference);
    entry["rank_biserial"] = detail::or_null(result.rank_biserial);
    entry["rank_biserial_interval"] = interval_json(result.rank_biserial_interval);
    entry["net_seeds"] = seeds_json(result.net);
    entry["against_seeds"] = seeds_json(result.against);
    entry["seed_differences"] = seeds_json(result.seed_differences);
    entry["seed_interval"] = interval_json(result.seed_interval);
    entry["deviation_of_pairs"] = detail::or_null(result.deviation);
    entry["detectable"] = detail::or_null(result.detectable);
    entry["fp_gap"] = detail::or_null(result.fp_gap);
    entry["verdict"] = result.verdict;
    entry["notes"] = result.notes;
    json["results"].push_back(std::move(entry));
  }
  json["equal_fp"] = nlohmann::ordered_json::array();
  for (const auto& result : report.equal_fp) {
    const auto both = [](const MetricSummary& summary) {
      return nlohmann::ordered_json{{"mean", detail::or_null(summary.mean)}, {"std", detail::or_null(summary.std)}};
    };
    json["equal_fp"].push_back({{"net", result.net},
                                {"against", result.against},
                                {"fn_at_half", both(result.fn_half)},
                                {"fn_at_equal_fp", both(result.fn_moved)},
                                {"fn_against", both(result.fn_against)},
                                {"fp_at_half", both(result.fp_half)},
                                {"fp_at_equal_fp", both(result.fp_moved)},
                                {"fp_against", both(result.fp_against)},
                                {"difference", detail::or_null(result.difference)},
                                {"difference_interval", interval_json(result.interval)}});
  }
  return json;
}

std::vector<Chart> hypothesis_charts(const HypothesisResult& result, double level) {
  const auto& hypothesis = result.hypothesis;
  const auto dots = [](Series& series, double x, const std::vector<SeedScore>& scores) {
    for (const auto& score : scores) {
      series.x.push_back(x);
      series.y.push_back(score.mean);
    }
  };
  const auto mean = [](Series& series, double x, std::optional<double> value,
                       const std::optional<BootstrapInterval>& interval) {
    if (!value || !interval) return;
    series.x.push_back(x);
    series.y.push_back(*value);
    series.low.push_back(interval->low);
    series.high.push_back(interval->high);
  };
  const auto about = fmt::format("mean of cases, {:g} % interval", 100 * level);
  Chart nets{hypothesis.id + ": " + words_of(hypothesis), "", words_of(hypothesis.metric)};
  nets.x_names = {hypothesis.against, hypothesis.net};
  nets.width = 420;
  Series seeds{"each seed", {}, {}, Mark::Points, {}, 0}, means{about, {}, {}, Mark::Points, {}, 1};
  dots(seeds, -0.12, result.against);
  dots(seeds, 0.88, result.net);
  mean(means, 0.12, over_seeds(result.against).mean, result.against_interval);
  mean(means, 1.12, over_seeds(result.net).mean, result.net_interval);
  nets.series = {std::move(seeds), std::move(means)};

  Chart difference{hypothesis.id + ": difference", "", words_of(hypothesis.metric)};
  difference.x_names = {hypothesis.net + " - " + hypothesis.against};
  difference.width = 360;
  Series zero{"", {-0.5, 0.35}, {0, 0}, Mark::DashedLine, {}, 7}, each{"each seed", {}, {}, Mark::Points, {}, 0},
      whole{about, {}, {}, Mark::Points, {}, 1};
  dots(each, -0.12, result.seed_differences);
  mean(whole, 0.12, result.test.difference, result.difference);
  difference.series = {std::move(zero), std::move(each), std::move(whole)};
  return {std::move(nets), std::move(difference)};
}

Chart trade_chart(const Comparison& comparison) {
  Chart chart{"FN against FP over all thresholds", "FN %", "FP %"};
  chart.log_y = true;
  for (std::size_t n = 0; n < comparison.nets.size(); ++n) {
    std::vector<double> fn(static_cast<std::size_t>(kProbabilityBins), 0), fp = fn;
    double cells = 0;
    for (const auto* cell : detail::cells_of(comparison, comparison.nets[n])) {
      const auto one_fn = fn_percent_by_edge(cell->probabilities.test),
                 one_fp = fp_percent_by_edge(cell->probabilities.test);
      if (one_fn.empty() || one_fp.empty()) continue;
      ++cells;
      for (std::size_t edge = 0; edge < fn.size(); ++edge) {
        fn[edge] += one_fn[edge];
        fp[edge] += one_fp[edge];
      }
    }
    if (cells == 0) continue;
    const auto colour = static_cast<int>(n);
    Series line{comparison.nets[n], {}, {}, Mark::Line, {}, colour}, half{"", {}, {}, Mark::Points, {}, colour};
    for (std::size_t edge = 1; edge < fn.size(); ++edge) {
      if (fp[edge] <= 0) continue;  // has no place on a logarithmic axis
      const double x = fn[edge] / cells, y = fp[edge] / cells;
      if (line.x.empty() || line.x.back() != x || line.y.back() != y) {
        line.x.push_back(x);
        line.y.push_back(y);
      }
      if (edge == static_cast<std::size_t>(kHalfEdge)) half.x = {x}, half.y = {y};
    }
    chart.series.push_back(std::move(line));
    chart.series.push_back(std::move(half));
  }
  return chart;
}

}  // namespace pam::apps
