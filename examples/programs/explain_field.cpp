// SPDX-License-Identifier: MIT
#include "programs/explain_field.hpp"

#include "programs/heat.hpp"

#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/nets/receptive_field.hpp>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace pam::programs {
namespace {

constexpr std::int64_t kBlockChannels = 32;
constexpr const char *kPlain = "RFNA without its branch", *kNarrowed = "RFNA, ratio 8";

MeasuredField measured(std::string name, std::string weights, std::int64_t in_channels, const FieldOptions& options,
                       const std::function<torch::Tensor(const torch::Tensor&)>& forward) {
  const auto field =
      receptive_field(forward, {in_channels, options.size, options.samples, static_cast<std::uint64_t>(options.seed)});
  return {std::move(name),   std::move(weights), field.radius(0.5),
          field.radius(0.9), field.radius(0.95), field.energy()};
}

template <typename Block, typename Options>
MeasuredField measure_block(const std::string& name, Options prototype, const FieldOptions& options) {
  SeedScope scope(static_cast<std::uint64_t>(options.seed));
  Block block(prototype.in_channels(kBlockChannels).out_channels(kBlockChannels).stride(1));
  block->eval();
  return measured(name, "random", kBlockChannels, options, [&](const torch::Tensor& x) { return block->forward(x); });
}

const MeasuredField* find_field(const std::vector<MeasuredField>& fields, const std::string& name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& each) { return each.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

/// "widens it (4.2 to 9.1 pixels)".
std::string change(const MeasuredField& from, const MeasuredField& to) {
  const auto share = to.radius95 / from.radius95;
  const char* verb = share > 1.02 ? "widens it" : share < 0.98 ? "narrows it" : "leaves it as it is";
  return fmt::format("{}: the radius of 95 % of the energy goes from {:.1f} to {:.1f} pixels", verb, from.radius95,
                     to.radius95);
}

}  // namespace

std::vector<MeasuredField> measure_blocks(const FieldOptions& options) {
  std::vector<MeasuredField> fields;
  fields.push_back(measure_block<FalsePositiveAttention>("FPA without its branch (ConvBlock)",
                                                         FalsePositiveAttentionOptions().branch(false), options));
  for (const std::int64_t dilation : {6, 9, 12}) {
    fields.push_back(measure_block<FalsePositiveAttention>(
        fmt::format("FPA, dilation {}", dilation), FalsePositiveAttentionOptions().dilation(dilation), options));
  }
  fields.push_back(measure_block<ReverseFalseNegativeAttention>(
      kPlain, ReverseFalseNegativeAttentionOptions().branch(false), options));
  for (const std::int64_t ratio : {2, 4, 8}) {
    fields.push_back(measure_block<ReverseFalseNegativeAttention>(
        fmt::format("RFNA, ratio {}", ratio), ReverseFalseNegativeAttentionOptions().ratio(ratio), options));
  }
  return fields;
}

MeasuredField measure_network(const WeightsSource& source, const FieldOptions& options) {
  const bool trained = !source.path.empty();
  auto net = trained ? load_network(source).net
                     : make_network(source.net, options.in_channels, 1, options.width, source.options, options.seed);
  net->eval();
  check(options.size >= net.min_size(), "--size {}: {} takes at least {} pixels a side", options.size, net.name(),
        net.min_size());
  for (auto& parameter : net->parameters()) parameter.requires_grad_(false);
  return measured(net.name(), trained ? source.path : "random", net.in_channels(), options,
                  [&](const torch::Tensor& x) { return net(x); });
}

Table field_table(const std::vector<MeasuredField>& fields, const FieldOptions& options) {
  Table table("Effective receptive field: radius in pixels of the disc that holds so much of the gradient's energy",
              {"block or network", "weights", {"50 %", 1}, {"90 %", 1}, {"95 %", 1}});
  for (const auto& each : fields) {
    table.row({each.name, each.weights == "random" ? each.weights : std::filesystem::path(each.weights).string(),
               each.radius50, each.radius90, each.radius95});
  }
  table.note(
      fmt::format("Squared gradient of the centre output (a random sign a channel) with respect to the input, mean "
                  "of {} normal inputs of {} x {} (Luo et al. 2016); seed {}. Blocks: stride 1, {} channels.",
                  options.samples, options.size, options.size, options.seed, kBlockChannels));
  return table;
}

std::vector<std::string> claim_sentences(const std::vector<MeasuredField>& fields) {
  std::vector<std::string> sentences;
  const auto* plain = find_field(fields, "FPA without its branch (ConvBlock)");
  const auto* dilated = find_field(fields, "FPA, dilation 9");
  if (plain != nullptr && dilated != nullptr) {
    sentences.push_back("Claim 1, the dilated branch widens the receptive field. Measured with random weights, it " +
                        change(*plain, *dilated) + ".");
  }
  const auto* main_branch = find_field(fields, kPlain);
  const auto* pooled = find_field(fields, kNarrowed);
  if (main_branch != nullptr && pooled != nullptr) {
    sentences.push_back(
        "Claim 2, RFNA's pooled residual branch narrows it (relative to its main branch). Measured with random "
        "weights, "
        "it " +
        change(*main_branch, *pooled) + ".");
  }
  return sentences;
}

torch::Tensor heat_picture(const torch::Tensor& energy, std::int64_t scale) {
  const auto decades = torch::log10(energy / energy.max() + 1e-5) / 5 + 1;  // 1e-5 of the peak is black
  return heat_colours(decades).repeat_interleave(scale, 0).repeat_interleave(scale, 1).contiguous();
}

}  // namespace pam::programs
