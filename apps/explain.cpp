// SPDX-License-Identifier: MIT
/// Shows what networks see: attention maps, errors side by side, receptive fields.
///   explain maps --weights runs/demo/fpa/last.safetensors --input scan.nii.gz --labels mask.nii.gz --out figures/
///   explain receptive-field --nets unet fpa rfna --out figures/
#include "cli/program.hpp"
#include "engine/prediction_files.hpp"
#include "engine/preparation.hpp"
#include "explain/explain_field.hpp"
#include "explain/explain_maps.hpp"
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
#include <optional>

namespace {

using namespace pam;
using namespace pam::apps;
namespace fs = std::filesystem;

struct Arguments {
  std::vector<std::string> weights, nets, inputs;
  std::vector<std::string> net, section, key_prefix;  // one for all weights, or one for each
  std::string labels, label_values = "nonzero", mask_channel = to_string(MaskChannel::Grey), out, reversed;
  std::optional<double> label_threshold;
  std::int64_t slice = -1, slices = 3, batch = 4, threads = 0, show_channel = 0;
  FieldOptions field;
};

void save_text(const fs::path& path, const std::string& text) {
  write_atomically(path, text);
  std::cout << path.string() << "\n";
}

/// What `values` say of file `i` of --weights: one value for all of them, or one for each.
std::string of_file(const Arguments& a, const std::vector<std::string>& values, std::size_t i, const char* flag) {
  check(values.size() <= 1 || values.size() == a.weights.size(),
        "{} has {} values for {} files of --weights; give one for all, or one for each", flag, values.size(),
        a.weights.size());
  return values.empty() ? std::string() : values[values.size() == 1 ? 0 : i];
}

/// File `i` of --weights.
WeightsSource source_of(const Arguments& a, std::size_t i) {
  WeightsSource source;
  source.path = a.weights[i];
  source.how.net = of_file(a, a.net, i, "--net");
  source.how.section = of_file(a, a.section, i, "--section");
  source.how.key_prefix = of_file(a, a.key_prefix, i, "--key-prefix");
  if (!a.reversed.empty()) source.how.reversed = a.reversed == "yes";
  return source;
}

/// The slices to show: the one that was asked for, or those with most foreground in the truth or the predictions.
std::vector<std::int64_t> chosen_slices(const Arguments& a, const torch::Tensor& truth, const torch::Tensor& labels) {
  const auto depth = labels.size(0);
  check(a.slice < depth, "--slice {}: the case has slices 0 to {}", a.slice, depth - 1);
  if (a.slice >= 0) return {a.slice};
  auto slices = pick_slices(labels, truth, a.slices, SliceRule::MostForeground);
  if (slices.empty()) slices.push_back(depth / 2);
  return slices;
}

int explain_maps(const Arguments& a) {
  std::vector<LoadedNetwork> nets;
  for (std::size_t i = 0; i < a.weights.size(); ++i) nets.push_back(load_network(source_of(a, i)));
  const auto channels = nets.front().net.in_channels();
  auto cases = find_inputs(a.inputs, {}, channels);
  check(cases.size() == 1, "--input: explain maps shows one case, got {}", cases.size());
  auto options = nets.front().preparation.value_or(CaseOptions());
  options.labels = a.label_threshold ? LabelMap::threshold(*a.label_threshold) : LabelMap::parse(a.label_values);
  options.mask_channel = parse_mask_channel(a.mask_channel);
  cases.front().labels = a.labels;
  const auto source = load_input(cases.front(), options, channels);
  for (const auto& notice : source.notices) std::cerr << "warning: " << with_flags(notice) << "\n";
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
  const auto shown = load_input(cases.front(), options, channels).image[std::min(a.show_channel, channels - 1)];
  OverlayOptions view = source.is_volume ? radiological_view(orientation(source.geometry.affine)) : OverlayOptions();
  view.window = robust_window(shown);
  const auto side = std::max(shown.size(1), shown.size(2));
  view.scale = std::clamp<std::int64_t>((400 + side - 1) / side, 1, 6);  // one pixel can be seen
  const fs::path out = a.out;
  fs::create_directories(out);
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

int explain_field(const Arguments& a) {
  auto blocks = measure_blocks(a.field);
  std::vector<LoadedNetwork> trained;
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
  fs::create_directories(out);
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
  app.require_subcommand(1);
  Arguments a;
  auto* maps =
      app.add_subcommand("maps", "attention of every encoder level, and errors of several networks, on one case");
  maps->add_option("--weights", a.weights, ".safetensors, .pt or .pth; several networks stand side by side")
      ->required();
  maps->add_option("--input", a.inputs, "the image (several: the modalities in channel order)")->required();
  maps->add_option("--labels", a.labels, "the true mask; without it errors are not shown");
  auto* values = maps->add_option("--label-values", a.label_values, "foreground of the mask (default: nonzero)");
  auto* threshold = maps->add_option("--label-threshold", a.label_threshold, kLabelThresholdHelp);
  threshold->excludes(values)->check(CLI::PositiveNumber)->needs("--labels");
  maps->add_option("--mask-channel", a.mask_channel, kMaskChannelHelp)->needs("--labels");
  maps->add_option("--slice", a.slice, "slice to show (default: those with most foreground)");
  maps->add_option("--slices", a.slices, "how many are chosen (default 3)")->check(CLI::Range(1, 100));
  maps->add_option("--show-channel", a.show_channel, "modality under the colours (default 0)");
  maps->add_option("--batch", a.batch, "slices at once (default 4)")->check(CLI::Range(1, 4096));
  auto* field = app.add_subcommand("receptive-field", "effective receptive fields of blocks and networks");
  field->add_option("--nets", a.nets, "networks of the zoo with random weights");
  field->add_option("--weights", a.weights, "networks with trained weights");
  field->add_option("--in-channels", a.field.in_channels, "of --nets (default 4)")->check(CLI::Range(1, 4096));
  field->add_option("--width", a.field.width, "of --nets (default: their own)")->check(CLI::Range(1, 4096));
  field->add_option("--size", a.field.size, "side of the input (default 160)")->check(CLI::Range(16, 4096));
  field->add_option("--samples", a.field.samples, "random inputs (default 16)")->check(CLI::Range(1, 100000));
  field->add_option("--seed", a.field.seed, "of weights and inputs (default 0)");
  for (auto* command : {maps, field}) {
    command->add_option("--out", a.out, "folder of the results")->required();
    command->add_option("--net", a.net,
                        "the network's name, if the weights file does not say (one for all, or one for each)");
    command->add_option("--section", a.section, "the key of a .pt checkpoint that holds the weights, such as ema");
    command->add_option("--key-prefix", a.key_prefix,
                        "take the weights whose names begin with this, such as model. (default: what all names share)");
    command->add_option("--reversed", a.reversed, "whether the weights learnt reversed labels, if the files do not say")
        ->check(CLI::IsMember({"yes", "no"}));
    command->add_option("--threads", a.threads, "CPU threads; 0: one per core");
  }
  return run_program(app, argc, argv, [&] {
    tune_process(a.threads);
    return maps->parsed() ? explain_maps(a) : explain_field(a);
  });
}
