// SPDX-License-Identifier: MIT
/// Everything that pam_bench knows by name: the zoo's networks, the blocks and the attentions, each with the input that
/// it is measured with.
#pragma once

#include <pam/attention/gather_excite.hpp>
#include <pam/attention/squeeze_excite.hpp>
#include <pam/nets/zoo.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pam::bench {

/// The size of networks and of their inputs; blocks and attentions have fixed sizes.
struct BenchShape {
  std::int64_t channels = 4, height = 160, width = 160;
  std::int64_t classes = 1;
  std::int64_t net_width = 0;  ///< channels of level 0; 0: the network's own
};

/// A module ready to run on inputs of shape (any batch, input...).
struct BenchCase {
  std::shared_ptr<torch::nn::Module> module;
  std::function<torch::Tensor(const torch::Tensor&)> run;
  std::vector<std::int64_t> input;  ///< channels, height, width
  nlohmann::json net;               ///< a network's options, by which Python builds the same; null otherwise
};

struct BenchEntry {
  std::string name;
  std::string kind;  ///< "net", "block" or "attention"
  std::function<BenchCase(const BenchShape&)> make;
};

template <typename Holder>
BenchCase bench_case(Holder holder, std::vector<std::int64_t> input) {
  return {holder.ptr(), [holder](const torch::Tensor& x) mutable { return holder(x); }, std::move(input), {}};
}

/// A block from 64 to 128 channels, stride 2, at 80 x 80.
template <typename Block>
BenchEntry bench_block(const std::string& name, const std::function<void(options_t<Block>&)>& set = {}) {
  return {name, "block", [set](const BenchShape&) {
            options_t<Block> options;
            if (set) set(options);
            options.in_channels(64).out_channels(128).stride(2);
            return bench_case(Block(options), {64, 80, 80});
          }};
}

/// An attention over 128 channels at 40 x 40: what stands behind such a block.
template <typename Attention>
void add_bench_attention(std::vector<BenchEntry>& list, const std::string& name) {
  for (const bool original : {false, true}) {
    list.push_back({original ? name + "_original" : name, "attention", [original](const BenchShape&) {
                      options_t<Attention> options;
                      options.channels(128);
                      if (original) options.original();
                      return bench_case(Attention(options), {128, 40, 40});
                    }});
  }
}

/// The gate at the skip of the same size, from a decoder's 256 channels at 20 x 20. `input` is the skip.
inline void add_bench_gate(std::vector<BenchEntry>& list) {
  for (const bool original : {false, true}) {
    list.push_back(
        {original ? "attention_gate_original" : "attention_gate", "attention", [original](const BenchShape&) {
           AttentionGateOptions options(256, 128);
           if (original) options.original();
           AttentionGate gate(options);
           return BenchCase{gate.ptr(),
                            [gate, deep = torch::Tensor()](const torch::Tensor& skip) mutable {
                              if (!deep.defined()) deep = torch::ones({skip.size(0), 256, 20, 20}, skip.options());
                              return gate(deep, skip);
                            },
                            {128, 40, 40},
                            {}};
         }});
  }
}

/// A net of the zoo.
inline BenchEntry bench_net(const std::string& name) {
  return {name, "net", [name](const BenchShape& shape) {
            NetworkSpec spec{name, shape.channels, shape.classes};
            if (shape.net_width > 0) spec.width = shape.net_width;
            const auto net = build_network(spec);
            check(shape.height >= net.min_size() && shape.width >= net.min_size(),
                  "pam_bench: {} needs at least {} pixels per side, got --size {} {}", name, net.min_size(),
                  shape.height, shape.width);
            return BenchCase{net.ptr(),
                             [net](const torch::Tensor& x) { return net(x); },
                             {shape.channels, shape.height, shape.width},
                             net.options()};
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
