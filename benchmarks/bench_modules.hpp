// SPDX-License-Identifier: MIT
/// Everything that pam_bench knows by name: the zoo's networks, the blocks and the attentions, with the input that each
/// is counted at.
#pragma once

#include <pam/attention/gather_excite.hpp>
#include <pam/attention/squeeze_excite.hpp>
#include <pam/nets/zoo.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace pam::bench {

/// A module ready to run on `input`.
struct BenchCase {
  std::shared_ptr<torch::nn::Module> module;
  std::function<torch::Tensor(const torch::Tensor&)> run;
  std::vector<std::int64_t> input;  ///< shape
};

struct BenchEntry {
  std::string name;
  std::string kind;  ///< "net", "block" or "attention"
  std::function<BenchCase()> make;
};

template <typename Holder>
BenchCase bench_case(Holder holder, std::vector<std::int64_t> input) {
  return {holder.ptr(), [holder](const torch::Tensor& x) mutable { return holder(x); }, std::move(input)};
}

/// A block from 64 to 128 channels, stride 2, at 80 x 80.
template <typename Block>
BenchEntry bench_block(const std::string& name, const std::function<void(options_t<Block>&)>& set = {}) {
  return {name, "block", [set] {
            options_t<Block> options;
            if (set) set(options);
            options.in_channels(64).out_channels(128).stride(2);
            return bench_case(Block(options), {1, 64, 80, 80});
          }};
}

/// An attention over 128 channels at 40 x 40: what stands behind such a block.
template <typename Attention>
void add_bench_attention(std::vector<BenchEntry>& list, const std::string& name) {
  for (const bool original : {false, true}) {
    list.push_back({original ? name + "_original" : name, "attention", [original] {
                      options_t<Attention> options;
                      options.channels(128);
                      if (original) options.original();
                      return bench_case(Attention(options), {1, 128, 40, 40});
                    }});
  }
}

/// The gate at the skip of the same size, from a decoder's 256 channels at 20 x 20. `input` is the skip.
inline void add_bench_gate(std::vector<BenchEntry>& list) {
  for (const bool original : {false, true}) {
    list.push_back({original ? "attention_gate_original" : "attention_gate", "attention", [original] {
                      AttentionGateOptions options(256, 128);
                      if (original) options.original();
                      AttentionGate gate(options);
                      return BenchCase{gate.ptr(),
                                       [gate](const torch::Tensor& skip) mutable {
                                         const auto n = skip.size(0);
                                         return gate(torch::ones({n, 256, 20, 20}, skip.options()), skip);
                                       },
                                       {1, 128, 40, 40}};
                    }});
  }
}

/// A net of the zoo at 4 x 160 x 160.
inline BenchEntry bench_net(const std::string& name, std::int64_t in_channels = 4, std::int64_t side_h = 160,
                            std::int64_t side_w = 160) {
  return {
      name, "net", [=] {
        const auto net = build_network({name, in_channels});
        return BenchCase{net.ptr(), [net](const torch::Tensor& x) { return net(x); }, {1, in_channels, side_h, side_w}};
      }};
}

/// Every network and block, in the order of the documents.
inline std::vector<BenchEntry> bench_entries() {
  std::vector<BenchEntry> list;
  for (const auto& name : network_names()) list.push_back(bench_net(name));
  using Fpa = FalsePositiveAttention;
  using Rfna = ReverseFalseNegativeAttention;
  list.push_back(bench_block<ConvNormAct>("conv_norm_act"));
  list.push_back(bench_block<ConvBlock>("conv_block"));
  list.push_back(bench_block<DilatedBlock>("dilated_block"));
  list.push_back(bench_block<Fpa>("fpa_block_table5"));
  list.push_back(bench_block<Fpa>("fpa_block_section43", [](auto& o) { o.section43(); }));
  list.push_back(bench_block<Fpa>("fpa_block_released", [](auto& o) { o.released(); }));
  list.push_back(bench_block<Rfna>("rfna_block_table5"));
  list.push_back(bench_block<Rfna>("rfna_block_section33", [](auto& o) { o.section33(); }));
  list.push_back(bench_block<Rfna>("rfna_block_released", [](auto& o) { o.released(); }));
  add_bench_gate(list);
  add_bench_attention<SqueezeExcite>(list, "squeeze_excite");
  add_bench_attention<SpatialChannelSqueezeExcite>(list, "spatial_channel_squeeze_excite");
  add_bench_attention<CBAM>(list, "cbam");
  add_bench_attention<GlobalContext>(list, "global_context");
  add_bench_attention<GatherExcite>(list, "gather_excite");
  return list;
}

}  // namespace pam::bench
