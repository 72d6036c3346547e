// SPDX-License-Identifier: MIT
#include "report/run_report.hpp"

#include "engine/robustness.hpp"

#include <pam/images/picture.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace pam::apps {
namespace {

/// Which slices of a case to show: two with most foreground and the one with most errors of all networks.
std::vector<std::int64_t> telling_slices(const EvalCase& each, const std::vector<torch::Tensor>& predictions) {
  std::set<std::int64_t> slices;
  for (const auto z : pick_slices(predictions.front(), each.truth, 2, SliceRule::MostForeground)) slices.insert(z);
  auto wrong = torch::zeros_like(each.truth);
  for (const auto& labels : predictions) wrong += (labels != each.truth).to(torch::kLong);
  wrong = torch::where(each.truth >= 0, wrong, torch::zeros_like(wrong));
  const auto errors = wrong.flatten(1).sum(1);
  if (errors.max().item<std::int64_t>() > 0) slices.insert(errors.argmax().item<std::int64_t>());
  if (slices.empty()) slices.insert(each.truth.size(0) / 2);
  return {slices.begin(), slices.end()};
}

/// Small pictures are shown larger, so that one pixel can be seen.
OverlayOptions view_of(const EvalCase& each) {
  auto view = each.view;
  const auto side = std::max(each.truth.size(1), each.truth.size(2));
  view.scale = std::clamp<std::int64_t>((400 + side - 1) / side, 1, 6);
  return view;
}

std::string count_text(std::int64_t n, const char* what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

/// The alternative text of an overlay: how many pixels of each colour it has, by `overlay`'s rule.
std::string overlay_in_words(const std::string& net, const torch::Tensor& labels, const torch::Tensor& truth) {
  const auto count = [](const torch::Tensor& pixels) { return pixels.sum().item<std::int64_t>(); };
  const auto found = labels > 0, right = found.logical_and(labels == truth);
  const auto missed = (truth > 0).logical_and(found.logical_not());
  const auto invented = found.logical_and(right.logical_not()).logical_and(truth >= 0);
  return fmt::format("{}: {} correct (yellow), {} missed (blue), {} false (red)", net,
                     count_text(count(right), "pixel"), count(missed), count(invented));
}

CasePictures case_pictures(const EvalCase& each, const std::vector<RunResult>& cells,
                           const std::vector<torch::Tensor>& predictions) {
  CasePictures shown;
  shown.name = each.name;
  shown.columns = static_cast<std::int64_t>(cells.size()) + 1;
  const auto view = view_of(each);
  const bool volume = each.truth.size(0) > 1;
  for (const auto z : telling_slices(each, predictions)) {
    const auto slice = volume ? fmt::format("slice {}", z) : std::string("image");
    shown.pictures.push_back(
        {encode_png(plain_picture(each.shown[z], view)), fmt::format("{}, {}", each.name, slice), slice});
    for (std::size_t n = 0; n < cells.size(); ++n) {
      const auto& name = cells[n].network.name;
      const auto labels = predictions[n][z], truth = each.truth[z];
      const auto overlap = dice(confusion((labels > 0).to(torch::kLong), truth.clamp_max(1)));
      // The picture distinguishes classes; its Dice does not.
      const auto* of = cells[n].classes.empty() ? "" : " of the foreground";
      const auto caption = overlap ? fmt::format("{}, Dice{} {:.3f}", name, of, *overlap) : name;
      shown.pictures.push_back({encode_png(overlay(each.shown[z], labels, truth, view)),
                                overlay_in_words(name, labels, truth) + fmt::format(" in {} of {}", slice, each.name),
                                caption});
    }
  }
  return shown;
}

/// Dice of each slice of one volume, one line per network: where along the axis a network fails.
Chart slice_chart(const EvalCase& each, const std::vector<RunResult>& cells,
                  const std::vector<torch::Tensor>& predictions) {
  Chart chart{"Dice of each slice", "slice", "Dice"};
  chart.y_low = 0;
  chart.y_high = 1;
  for (std::size_t n = 0; n < cells.size(); ++n) {
    Series series{cells[n].network.name, {}, {}};
    for (std::int64_t z = 0; z < each.truth.size(0); ++z) {
      const auto value = dice(confusion((predictions[n][z] > 0).to(torch::kLong), each.truth[z].clamp_max(1)));
      if (!value && series.x.empty()) continue;  // slices before the first with foreground
      series.x.push_back(static_cast<double>(z));
      series.y.push_back(value.value_or(std::nan("")));
    }
    while (!series.y.empty() && std::isnan(series.y.back())) {  // slices after the last with foreground
      series.x.pop_back();
      series.y.pop_back();
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

/// Pictures of the worst cases, and the slice chart if there is only one volume.
void add_cases(ResultPage& page, const Task& task, std::int64_t worst, const std::vector<RunResult>& cells,
               const std::vector<std::filesystem::path>& folders) {
  const auto names = task.test->names();
  for (const auto& name : worst_cases(page.results, static_cast<std::size_t>(worst))) {
    const auto index = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    if (index == names.size()) continue;
    const auto each = task.test->load(index);
    std::vector<torch::Tensor> predictions;
    for (const auto& folder : folders) predictions.push_back(read_prediction(each, folder / "predictions"));
    page.pictures.push_back(case_pictures(each, cells, predictions));
    if (names.size() == 1 && each.truth.size(0) > 1) {
      page.charts.emplace_back("Dice of each slice of " + name + ", one line per network.",
                               slice_chart(each, cells, predictions));
    }
  }
}

}  // namespace

torch::Tensor overlay_sheet(const EvalCase& each, const std::vector<torch::Tensor>& predictions) {
  std::vector<torch::Tensor> pictures;
  const auto view = view_of(each);
  for (const auto z : telling_slices(each, predictions)) {
    pictures.push_back(plain_picture(each.shown[z], view));
    for (const auto& labels : predictions) pictures.push_back(overlay(each.shown[z], labels[z], each.truth[z], view));
  }
  return tile(pictures, static_cast<std::int64_t>(predictions.size()) + 1);
}

std::vector<Chart> curves(const std::vector<NetworkResult>& networks) {
  return {loss_chart(networks), validation_chart(networks, "mean Dice of the validation cases")};
}

std::vector<Table> class_tables(const std::vector<RunResult>& cells) {
  std::vector<Table> tables;
  const auto classes = cells.empty() ? std::size_t{0} : cells.front().classes.size();
  for (std::size_t c = 0; c < classes; ++c) {
    std::vector<NetworkResult> networks;
    for (const auto& cell : cells) {
      networks.push_back(cell.network);
      networks.back().cases = cell.classes[c];
    }
    tables.push_back(network_table(networks, fmt::format("Class {} alone", c + 1)));
  }
  return tables;
}

void write_report(const Task& task, const ExperimentOptions& options, const std::vector<RunResult>& cells,
                  const std::vector<std::filesystem::path>& folders, const std::filesystem::path& path,
                  const nlohmann::json& record) {
  ResultPage page;
  page.title = task.title;
  page.lead = task.lead;
  page.caveats = task.caveats;
  for (const auto& cell : cells) page.results.push_back(cell.network);
  page.tables = class_tables(cells);
  if (const auto table = robustness_table(cells)) page.tables.push_back(*table);
  for (const auto& cell : cells) {
    if (!cell.reversed || cells.size() == 1) continue;
    page.training_notes.push_back(
        cell.network.name +
        " learns reversed labels, so its loss is that of the background and cannot be compared with the others'.");
  }
  add_cases(page, task, options.worst, cells, folders);
  page.record = record;
  page.options = record.value("options", nlohmann::json());
  page.command = record.value("program", std::string());
  result_page(page).write(path);
}

}  // namespace pam::apps
