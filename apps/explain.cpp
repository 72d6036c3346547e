// SPDX-License-Identifier: MIT
/// Shows what networks see: attention maps, errors side by side, receptive fields.
///   explain maps --weights runs/demo/fpa/last.safetensors --input scan.nii.gz --labels mask.nii.gz --out figures/
///   explain receptive-field --nets unet fpa rfna --out figures/
#include "cli/program.hpp"
#include "engine/prediction_files.hpp"
#include "engine/preparation.hpp"
#include "engine/run_folder.hpp"
#include "explain/explain_field.hpp"
#include "explain/explain_maps.hpp"
#include "explain/explain_options.hpp"
#include "explain/heat.hpp"
#include "tasks/task.hpp"

#include <pam/core/atomic_file.hpp>
#include <pam/images/crop.hpp>
#include <pam/images/nifti.hpp>
#include <pam/images/picture.hpp>
#include <pam/inference/predict_case.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

namespace {

using namespace pam;
using namespace pam::apps;
namespace fs = std::filesystem;

void save_text(const fs::path& path, const std::string& text) {
  write_atomically(path, text);
  std::cout << path.string() << "\n";
}

/// What `values` say of file `i` of --weights: one value for all of them, or one for each.
std::string of_file(const ExplainArguments& a, const std::vector<std::string>& values, std::size_t i,
                    const char* flag) {
  check(values.size() <= 1 || values.size() == a.weights.size(),
        "{} has {} values for {} files of --weights; give one for all, or one for each", flag, values.size(),
        a.weights.size());
  return values.empty() ? std::string() : values[values.size() == 1 ? 0 : i];
}

/// File `i` of --weights.
WeightsSource source_of(const ExplainArguments& a, std::size_t i) {
  WeightsSource source;
  source.path = a.weights[i];
  source.how.net = of_file(a, a.net, i, "--net");
  source.how.section = of_file(a, a.section, i, "--section");
  source.how.key_prefix = of_file(a, a.key_prefix, i, "--key-prefix");
  if (!a.reversed.empty()) source.how.reversed = a.reversed == "yes";
  return source;
}

/// The slices to show: the one that was asked for, or those with most foreground in the truth or the predictions.
std::vector<std::int64_t> chosen_slices(const ExplainArguments& a, const torch::Tensor& truth,
                                        const torch::Tensor& labels) {
  const auto depth = labels.size(0);
  check(a.slice < depth, "--slice {}: the case has slices 0 to {}", a.slice, depth - 1);
  if (a.slice >= 0) return {a.slice};
  auto slices = pick_slices(labels, truth, a.slices, SliceRule::MostForeground);
  if (slices.empty()) slices.push_back(depth / 2);
  return slices;
}

int explain_maps(const ExplainArguments& a) {
  std::vector<TrainedNetwork> nets;
  for (std::size_t i = 0; i < a.weights.size(); ++i) nets.push_back(load_network(source_of(a, i)));
  const auto channels = nets.front().net.in_channels();
  check(a.show_channel < channels, "--show-channel {}: the network has channels 0 to {}", a.show_channel, channels - 1);
  std::vector<std::string> warnings;
  auto cases = find_inputs(a.inputs, {}, nets.front().facts.modalities, channels, warnings);
  for (const auto& warning : warnings) std::cerr << "warning: " << warning << "\n";
  check(cases.size() == 1, "--input: explain maps shows one case, got {}", cases.size());
  auto options = nets.front().preparation.value_or(CaseOptions());
  options.labels = a.label_threshold ? LabelMap::threshold(*a.label_threshold) : LabelMap::parse(a.label_values);
  options.mask_channel = parse_mask_channel(a.mask_channel);
  cases.front().labels = a.labels;
  check_apart("--out", a.out, cases.front().images, "figures");
  if (!a.labels.empty()) check_apart("--out", a.out, {a.labels}, "figures");
  const auto source = load_input(cases.front(), options, channels);
  for (const auto& notice : source.notices) std::cerr << "warning: " << with_flags(notice) << "\n";
  const auto sizes = spacing_warning(source, nets.front().facts);
  if (!sizes.empty()) std::cerr << "warning: " << sizes << "\n";
  auto doubts = source.masks.warnings(options.labels);
  doubts.push_back(source.masks.unusable(options.labels));
  for (const auto& doubt : doubts) {
    if (!doubt.empty()) std::cerr << "warning: " << with_flags(doubt) << "\n";
  }
  const auto truth = source.labels.defined()
                         ? source.labels.to(torch::kLong)
                         : torch::zeros({source.slices(), source.plane().height, source.plane().width}, torch::kLong);
  std::vector<ExplainedNetwork> explained;
  for (const auto& each : nets) {
    check(each.net.in_channels() == channels, "{} takes {} channels and {} takes {}; explain them separately",
          nets.front().net.name(), channels, each.net.name(), each.net.in_channels());
    explained.push_back(explain_network(each.net, source, a.batch));
  }
  options.normalise = Normalise::None;  // a z-scored volume would show air as grey
  const auto shown = load_input(cases.front(), options, channels).image[a.show_channel];
  // What is shown runs as the network saw it, which is not as it is stored where the preparation turned it.
  const auto axes = source.axes().empty() ? orientation(source.geometry.affine) : source.axes();
  OverlayOptions view = source.is_volume ? radiological_view(axes) : OverlayOptions();
  view.window = robust_window(shown);
  const auto side = std::max(shown.size(1), shown.size(2));
  view.scale = std::clamp<std::int64_t>((400 + side - 1) / side, 1, 6);  // one pixel can be seen
  const fs::path out = a.out;
  mark_results(out);
  const bool attends =
      std::any_of(explained.begin(), explained.end(), [](const auto& net) { return !net.attention.empty(); });
  for (const auto z : chosen_slices(a, truth, explained.front().labels)) {
    const auto name = fmt::format("{}_slice{}", source.name, z);
    if (attends) {
      write_png(out / (name + "_attention.png"), attention_sheet(explained, shown, z, view));
      std::cout << (out / (name + "_attention.png")).string() << "\n";
    }
    if (!source.labels.defined()) continue;
    write_png(out / (name + "_errors.png"), error_sheet(explained, shown, truth, z, view));
    std::cout << (out / (name + "_errors.png")).string() << "\n";
  }
  for (const auto& net : explained) {
    for (const auto& map : net.attention) {
      if (!source.is_volume) break;
      const auto path = out / fmt::format("{}_{}_{}.nii.gz", source.name, net.name, map.module);
      write_nifti(path, to_input_grid(map.values, source), source.geometry);
      std::cout << path.string() << "\n";
    }
  }
  return kDone;
}

int explain_field(const ExplainArguments& a) {
  auto blocks = measure_blocks(a.field);
  std::vector<TrainedNetwork> trained;
  for (std::size_t i = 0; i < a.weights.size(); ++i) {
    trained.push_back(load_network(source_of(a, i)));
    for (auto& block : measure_blocks_of(trained.back().net, a.weights[i], a.field)) blocks.push_back(std::move(block));
  }
  std::vector<MeasuredField> fields;
  for (const auto& block : blocks) fields.insert(fields.end(), {block.main, block.branch, block.whole});
  for (const auto& net : a.nets) fields.push_back(measure_network(net, a.field));
  for (std::size_t i = 0; i < trained.size(); ++i) {
    fields.push_back(measure_network(trained[i].net, a.weights[i], a.field));
  }
  auto table = field_table(fields, a.field);
  for (const auto& sentence : claim_sentences(blocks)) table.note(sentence);
  std::cout << table.text() << "\n";
  const fs::path out = a.out;
  mark_results(out);
  save_text(out / "receptive_field.md", table.markdown());
  save_text(out / "receptive_field.csv", table.csv());
  std::vector<torch::Tensor> pictures;
  for (const auto& field : fields) {
    pictures.push_back(
        captioned(heat_picture(field.energy, 2), field.weights == "random" ? field.name : field.name + ", trained"));
  }
  write_png(out / "receptive_field.png", tile(pictures, 6));
  std::cout << (out / "receptive_field.png").string() << "\n";
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Shows what networks see: attention maps, errors side by side, receptive fields.", "explain"};
  ExplainArguments a;
  const auto commands = add_explain_options(app, a);
  return run_program(app, argc, argv, [&] {
    const bool maps = commands.maps->parsed();
    check_option_rules(maps ? *commands.maps : *commands.field, maps ? commands.maps_rules : commands.field_rules);
    tune_process(a.threads);
    return maps ? explain_maps(a) : explain_field(a);
  });
}
