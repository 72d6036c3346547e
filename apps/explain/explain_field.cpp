// SPDX-License-Identifier: MIT
#include "explain/explain_field.hpp"

#include "explain/heat.hpp"

#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/kernels/upsample.hpp>
#include <pam/nets/receptive_field.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <utility>

namespace pam::apps {
namespace {

constexpr std::int64_t kBlockChannels = 32;

using Forward = std::function<torch::Tensor(const torch::Tensor&)>;

MeasuredField measured(std::string name, std::string weights, std::int64_t in_channels, const FieldOptions& options,
                       const Forward& forward) {
  try {
    const auto field = receptive_field(
        forward, {in_channels, options.size, options.samples, static_cast<std::uint64_t>(options.seed)});
    return {std::move(name),   std::move(weights), field.radius(0.5),
            field.radius(0.9), field.radius(0.95), field.energy()};
  } catch (const Error& error) {
    fail("{} ({} weights): {}", name, weights, error.what());
  }
}

/// The fields that the claims compare: of a block's main branch, of its attention branch, and of the block.
struct BlockParts {
  std::int64_t in_channels;
  const char* branch_name;
  Forward main, branch, whole;
};

BlockParts parts_of(FalsePositiveAttentionImpl& block) {
  return {block.options.in_channels(), "dilated branch", [&](const torch::Tensor& x) { return block.main(x); },
          [&](const torch::Tensor& x) { return torch::sigmoid(block.attention_logits(x)); },
          [&](const torch::Tensor& x) { return block.forward(x); }};
}

/// The branch is up(P(D3(D2(E(F))))), without the + F inside A: only what is pooled.
BlockParts parts_of(ReverseFalseNegativeAttentionImpl& block) {
  return {block.options.in_channels(), "pooled branch", [&](const torch::Tensor& x) { return block.main(x); },
          [&](const torch::Tensor& x) {
            const auto features = block.main(x);
            return kernels::upsample(block.branch->logits(features), features.sizes().slice(2));
          },
          [&](const torch::Tensor& x) { return block.forward(x); }};
}

BlockFields measure_parts(const std::string& name, const std::string& weights, const BlockParts& parts,
                          const FieldOptions& options) {
  const auto field = [&](const std::string& part, const Forward& forward) {
    return measured(name + ", " + part, weights, parts.in_channels, options, forward);
  };
  return {parts.branch_name, field("main branch", parts.main), field(parts.branch_name, parts.branch),
          field("whole", parts.whole)};
}

template <typename Block, typename Options>
BlockFields measure_random(const std::string& name, Options prototype, const FieldOptions& options) {
  SeedScope scope(static_cast<std::uint64_t>(options.seed));
  Block block(prototype.in_channels(kBlockChannels).out_channels(kBlockChannels).stride(1));
  block->eval();
  return measure_parts(name, "random", parts_of(*block), options);
}

/// "is wider (9.1 against 4.2 pixels)".
std::string change(const MeasuredField& from, const MeasuredField& to) {
  const auto share = to.radius95 / from.radius95;
  const char* verb = share > 1.02 ? "is wider" : share < 0.98 ? "is narrower" : "is as wide";
  return fmt::format("{} ({:.1f} against {:.1f} pixels)", verb, to.radius95, from.radius95);
}

}  // namespace

std::vector<BlockFields> measure_blocks(const FieldOptions& options) {
  std::vector<BlockFields> blocks;
  for (const std::int64_t dilation : {6, 9, 12}) {
    blocks.push_back(measure_random<FalsePositiveAttention>(
        fmt::format("FPA d{}", dilation), FalsePositiveAttentionOptions().dilation(dilation), options));
  }
  for (const std::int64_t ratio : {2, 4, 8}) {
    blocks.push_back(measure_random<ReverseFalseNegativeAttention>(
        fmt::format("RFNA r{}", ratio), ReverseFalseNegativeAttentionOptions().ratio(ratio), options));
  }
  return blocks;
}

std::vector<BlockFields> measure_blocks_of(const Network& net, const std::string& file, const FieldOptions& options) {
  net->eval();
  for (auto& parameter : net->parameters()) parameter.requires_grad_(false);
  std::vector<BlockFields> blocks;
  for (const auto& item : net->named_modules("", /*include_self=*/false)) {
    const auto name = net.name() + " " + item.key();
    if (auto* fpa = dynamic_cast<FalsePositiveAttentionImpl*>(item.value().get()); fpa && fpa->options.branch()) {
      blocks.push_back(measure_parts(name, file, parts_of(*fpa), options));
    } else if (auto* rfna = dynamic_cast<ReverseFalseNegativeAttentionImpl*>(item.value().get());
               rfna && rfna->options.branch()) {
      blocks.push_back(measure_parts(name, file, parts_of(*rfna), options));
    }
  }
  return blocks;
}

MeasuredField measure_network(const std::string& name, const FieldOptions& options) {
  const auto net =
      make_network(name, options.in_channels, 1, options.width, nlohmann::json::object(), options.seed);
  return measure_network(net, "random", options);
}

MeasuredField measure_network(const Network& net, const std::string& file, const FieldOptions& options) {
  net->eval();
  check(options.size >= net.min_size(), "--size {}: {} takes at least {} pixels per side", options.size, net.name(),
        net.min_size());
  for (auto& parameter : net->parameters()) parameter.requires_grad_(false);
  return measured(net.name(), file, net.in_channels(), options, [&](const torch::Tensor& x) { return net(x); });
}

Table field_table(const std::vector<MeasuredField>& fields, const FieldOptions& options) {
  Table table("Effective receptive field: radius in pixels of the disc that holds this share of the gradient's energy",
              {"block or network", "weights", {"50 %", 1}, {"90 %", 1}, {"95 %", 1}});
  for (const auto& each : fields) table.row({each.name, each.weights, each.radius50, each.radius90, each.radius95});
  table.note(
      fmt::format("Squared gradient of the centre output (a random sign per channel) with respect to the input, mean "
                  "of {} normal inputs of {} x {} (Luo et al. 2016); seed {}. Blocks with random weights: stride 1, {} "
                  "channels; blocks of trained networks: as they are there, in pixels of the block's own input.",
                  options.samples, options.size, options.size, options.seed, kBlockChannels));
  table.note(
      "Dilated branch: A. Pooled branch: up(P(D3(D2(E(F))))), with ratio 4 up(P(D2(E(F)))), with ratio 2 up(P(E(F))); "
      "without the + F of A.");
  return table;
}

std::vector<std::string> claim_sentences(const std::vector<BlockFields>& blocks) {
  std::vector<std::string> sentences{
      "Claim 1: dilation widens the receptive field. Claim 2: RFNA's pooled residual branch narrows it relative to its "
      "main branch. Measured, by the radius of 95 % of the energy:"};
  for (const auto& block : blocks) {
    const auto name = block.whole.name.substr(0, block.whole.name.rfind(','));
    sentences.push_back(fmt::format("{} ({} weights), against its main branch: the {} alone {}; the whole block {}.",
                                    name, block.whole.weights == "random" ? "random" : "trained", block.branch_name,
                                    change(block.main, block.branch), change(block.main, block.whole)));
  }
  return sentences;
}

torch::Tensor heat_picture(const torch::Tensor& energy, std::int64_t scale) {
  const auto decades = torch::log10(energy / energy.max() + 1e-5) / 5 + 1;  // 1e-5 of the peak is black
  return heat_colours(decades).repeat_interleave(scale, 0).repeat_interleave(scale, 1).contiguous();
}

}  // namespace pam::apps
