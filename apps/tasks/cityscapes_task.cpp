// SPDX-License-Identifier: MIT
#include "tasks/cityscapes_task.hpp"

#include "engine/preparation.hpp"
#include "tasks/case_task.hpp"
#include "tasks/paper_settings.hpp"

#include <pam/datasets/find_cityscapes.hpp>
#include <pam/datasets/paper_preparation.hpp>

#include <fmt/format.h>

#include <utility>

namespace pam::apps {
namespace {

void add_flags(OptionReader& reader) {
  reader.add<std::string>("--data", "data", "the folder with leftImg8bit/ and gtFine/ (required)");
  reader.add<std::string>("--val-city", "val_city",
                          "training city that chooses the epoch (default: the last by name; none: the last weights)");
  reader.add<std::string>("--label-values", "label_values", "label ids of the foreground (default: vehicles, 26-33)");
  reader.add<std::string>("--resize", "resize", "HEIGHTxWIDTH that the networks see");
  reader.add_switch("--full-size", "full_size", "score at the pictures' own size instead of the networks'");
  reader.add_switch("--skip-bad", "skip_bad", "leave out pictures that cannot be read, saying which");
}

CaseTaskOptions task_options(const CityscapesData& options) {
  CaseTaskOptions how;
  how.cases = cityscapes_preparation();
  how.cases.labels = LabelMap::parse(options.label_values);
  how.cases.resize = parse_plane("--resize", options.resize);
  how.full_size = options.full_size;
  how.skip_bad = options.skip_bad;
  how.train_noun = how.test_noun = "picture";
  how.foreground =
      options.label_values == kCityscapesVehicles ? "vehicles (label ids 26-33)" : "label ids " + options.label_values;
  return how;
}

void check_options(const CityscapesData& options) {
  check(!options.data.empty(), "--data: name the folder of Cityscapes, which holds leftImg8bit/ and gtFine/");
  static_cast<void>(task_options(options));
  check(!options.full_size || !options.resize.empty(),
        "--full-size: without --resize the networks see the pictures at their own size; leave it out");
}

/// The split is the data set's own: `seed` changes nothing.
Task make_task(const CityscapesData& options, std::int64_t /*seed*/, const std::filesystem::path& /*begun*/) {
  const auto found = find_cityscapes(options.data, options.val_city);
  Task task;
  const bool vehicles = options.label_values == kCityscapesVehicles;
  task.title = std::string(vehicles ? "Vehicles" : "Segmentation") + " on Cityscapes";
  task.data = options.data;
  add_notes(task, found.notices);
  if (!options.resize.empty() && !options.full_size) {
    task.caveats.push_back(fmt::format(
        "Scored at {} (height x width), which is what the networks see; distances are in its pixels.", options.resize));
  }
  return case_task(std::move(task), found.cases, split_by_folder(found.cases), task_options(options));
}

}  // namespace

TrainingProgram<CityscapesData> cityscapes_program() {
  TrainingProgram<CityscapesData> program{
      "cityscapes",
      "Trains networks to find vehicles on Cityscapes, and reports how well they do on the official val/.",
      {},
      add_flags,
      check_options,
      make_task};
  apply(kCityscapesSettings, program.defaults);
  return program;
}

}  // namespace pam::apps
