// SPDX-License-Identifier: MIT
/// The module that a golden file describes, built from its metadata and the shapes of its tensors.
#pragma once

#include <pam/attention/gather_excite.hpp>
#include <pam/attention/squeeze_excite.hpp>
#include <pam/nets/detail/zoo_placement.hpp>
#include <pam/nets/zoo.hpp>
#include <pam/weights/safetensors.hpp>

#include "parity/released_nets.hpp"

#include <charconv>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <vector>

namespace pam::test {

/// A golden file with its metadata read as numbers and choices; what they leave open follows from the shapes.
struct GoldenFile {
  std::string name;  ///< as messages call it
  SafetensorsFile content;

  [[nodiscard]] torch::Tensor tensor(const std::string& key) const {
    const auto found = find_tensor(content.tensors, key);
    check(found.defined(), "{}: there is no tensor '{}'", name, key);
    return found;
  }
  [[nodiscard]] std::string text(const std::string& key, const std::string& missing = {}) const {
    const auto found = content.metadata.find(key);
    return found == content.metadata.end() ? missing : found->second;
  }
  [[nodiscard]] std::int64_t number(const std::string& key, std::int64_t missing) const {
    const auto value = text(key);
    if (value.empty()) return missing;
    std::int64_t parsed = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    check(error == std::errc() && end == value.data() + value.size() && parsed > 0 && parsed <= 4096,
          "{}: the metadata's {} must be a whole number from 1 to 4096, got '{}'", name, key, value);
    return parsed;
  }
  [[nodiscard]] bool flag(const std::string& key, bool missing) const {
    const auto value = text(key, missing ? "true" : "false");
    check(value == "true" || value == "false", "{}: the metadata's {} must be true or false, got '{}'", name, key,
          value);
    return value == "true";
  }
  [[nodiscard]] std::vector<torch::Tensor> inputs() const {
    std::vector<torch::Tensor> list;
    for (std::size_t i = 0;; ++i) {
      const auto x = find_tensor(content.tensors, fmt::format("input.{}", i));
      if (!x.defined()) break;
      list.push_back(x);
    }
    check(!list.empty() && list[0].dim() == 4, "{}: there is no tensor 'input.0' of shape (N, C, H, W)", name);
    return list;
  }
  /// What the shapes say; the metadata may say it too, but nothing else.
  [[nodiscard]] std::int64_t agreed(const std::string& key, std::int64_t shape_says) const {
    const auto stated = number(key, shape_says);
    check(stated == shape_says, "{}: the metadata say {} = {}, the shapes of the tensors say {}", name, key, stated,
          shape_says);
    return shape_says;
  }
  [[nodiscard]] std::int64_t in_channels() const { return agreed("in_channels", inputs()[0].size(1)); }
  [[nodiscard]] std::int64_t out_channels() const { return agreed("out_channels", tensor("output").size(1)); }
  /// Channels of a net's output. (The authors' class_no is 2 for one channel, so the metadata may mean that.)
  [[nodiscard]] std::int64_t classes() const { return tensor("output").size(1); }
  [[nodiscard]] std::int64_t stride() const {
    return number("stride", inputs()[0].size(2) == tensor("output").size(2) ? 1 : 2);
  }
  /// Channels of level 0: what the last convolution reads.
  [[nodiscard]] std::int64_t width() const {
    for (const auto* key : {"param.head.weight", "param.conv_last.weight", "param.dconv_last.weight"}) {
      const auto head = find_tensor(content.tensors, key);
      if (head.defined() && head.dim() == 4) return agreed("width", head.size(1));
    }
    return number("width", 32);
  }
};

/// A module and how it is called.
struct GoldenModule {
  std::shared_ptr<torch::nn::Module> module;
  std::function<torch::Tensor(const std::vector<torch::Tensor>&)> run;
};

template <typename Holder>
GoldenModule golden_module(Holder holder) {
  return {holder.ptr(), [holder](const std::vector<torch::Tensor>& inputs) mutable {
            check(inputs.size() == 1, "the module takes one input, the file has {}", inputs.size());
            return holder(inputs[0]);
          }};
}

template <typename Options>
Options block_options(const GoldenFile& file) {
  return Options(file.in_channels(), file.out_channels()).stride(file.stride());
}

inline GoldenModule golden_fpa(const GoldenFile& file, const std::string& preset) {
  auto options = block_options<FalsePositiveAttentionOptions>(file);
  if (preset == "section43") {
    options.section43();
  } else if (preset == "released") {
    options.released();
  } else {
    check(preset == "table5", "{}: FPA has no preset '{}'; it has table5, section43 and released", file.name, preset);
  }
  return golden_module(
      FalsePositiveAttention(options.dilation(file.number("dilation", 9)).identity(file.flag("identity", true))));
}

inline GoldenModule golden_rfna(const GoldenFile& file, const std::string& preset) {
  auto options = block_options<ReverseFalseNegativeAttentionOptions>(file);
  if (preset == "section33") {
    options.section33();
  } else if (preset == "released") {
    options.released();
  } else {
    check(preset == "table5", "{}: RFNA has no preset '{}'; it has table5, section33 and released", file.name, preset);
  }
  return golden_module(ReverseFalseNegativeAttention(options.identity(file.flag("identity", true))));
}

inline GoldenModule golden_gate(const GoldenFile& file) {
  const auto inputs = file.inputs();
  check(inputs.size() == 2, "{}: an attention gate takes two inputs, the file has {}", file.name, inputs.size());
  AttentionGate gate(AttentionGateOptions(file.number("gate_channels", inputs[0].size(1)),
                                          file.number("skip_channels", inputs[1].size(1))));
  const bool returns_map = file.tensor("output").size(1) == 1;  // the authors' block returns the map, not the product
  return {gate.ptr(), [gate, returns_map](const std::vector<torch::Tensor>& x) mutable {
            return returns_map ? gate->attention(x[0], x[1]) : gate(x[0], x[1]);
          }};
}

template <typename Attention>
GoldenModule golden_attention(const GoldenFile& file) {
  return golden_module(Attention(typename Attention::Impl::Options(file.number("channels", file.inputs()[0].size(1)))));
}

template <typename Net>
GoldenModule golden_net(const GoldenFile& file, const std::function<void(typename Net::Impl::Options&)>& set) {
  typename Net::Impl::Options options(file.in_channels(), file.classes());
  options.width(file.width());
  set(options);
  return golden_module(Net(options));
}

/// The authors' DilatedUNet at any dilation; 1 is the plain U-Net.
inline GoldenModule golden_dilated_net(const GoldenFile& file, std::int64_t dilation) {
  return golden_net<UNet<DilatedBlock, ConvBlock>>(
      file, [dilation](auto& o) { o.stage(DilatedBlockOptions().dilation(dilation)); });
}

/// A network of the zoo; a dilation in the metadata counts for every block that has one.
inline GoldenModule golden_zoo_net(const GoldenFile& file, const std::string& name) {
  NetworkSpec spec{name, file.in_channels(), file.classes(), file.width()};
  spec.options["reversed"] = false;  // changes nothing here, and is refused for several classes
  if (const auto dilation = file.number("dilation", 0); dilation > 0) {
    const auto preset = build_network(spec).options();
    if (preset["stages"][0].contains("dilation")) spec.options["stages"]["dilation"] = dilation;
    if (preset["bridge"].contains("dilation")) spec.options["bridge"]["dilation"] = dilation;
  }
  const auto net = build_network(spec);
  return {net.ptr(), [net](const std::vector<torch::Tensor>& inputs) { return net(inputs.at(0)); }};
}

template <typename Net>
GoldenModule golden_released_net(const GoldenFile& file) {
  ReleasedNetOptions options;
  options.in_channels(file.in_channels()).classes(file.classes());
  return golden_module(Net(options.width(file.width()).dilation(file.number("dilation", 9))));
}

/// The authors' encoder-only scSE and SE networks, which the paper's tables do not have.
using ScseEncoderNet = UNet<Attended<SpatialChannelSqueezeExcite>, ConvBlock, ConvBlock, ConcatSkip,
                            Attended<SpatialChannelSqueezeExcite>>;
using SeNet = UNet<Attended<SqueezeExcite>, Attended<SqueezeExcite>, ConvBlock, ConcatSkip, Attended<SqueezeExcite>>;

/// kind/module of the metadata -> how to build it.
inline const std::map<std::string, std::function<GoldenModule(const GoldenFile&)>>& golden_builders() {
  using File = const GoldenFile&;
  static const std::map<std::string, std::function<GoldenModule(File)>> builders{
      {"block/conv_block", [](File f) { return golden_module(ConvBlock(block_options<ConvBlockOptions>(f))); }},
      {"block/dilated_block",
       [](File f) {
         return golden_module(DilatedBlock(block_options<DilatedBlockOptions>(f).dilation(f.number("dilation", 9))));
       }},
      {"block/fpa", [](File f) { return golden_fpa(f, f.text("preset", "table5")); }},
      {"block/rfna", [](File f) { return golden_rfna(f, f.text("preset", "table5")); }},
      {"block/released_fpa", [](File f) { return golden_fpa(f, "released"); }},
      {"block/released_rfna", [](File f) { return golden_rfna(f, "released"); }},
      {"attention/attention_gate", golden_gate},
      {"attention/cbam", golden_attention<CBAM>},
      {"attention/gc", golden_attention<GlobalContext>},
      {"attention/ge", golden_attention<GatherExcite>},
      {"attention/scse", golden_attention<SpatialChannelSqueezeExcite>},
      {"attention/se", golden_attention<SqueezeExcite>},
      {"net/cscunet_encoder",
       [](File f) { return golden_net<ScseEncoderNet>(f, [](auto& o) { pam::detail::attend_all_but_last(o); }); }},
      {"net/seunet", [](File f) { return golden_net<SeNet>(f, [](auto& o) { pam::detail::attend_all_but_last(o); }); }},
      {"net/released_unet", golden_released_net<ReleasedUNet>},
      {"net/released_erfa_fp", golden_released_net<ReleasedErfa<FalsePositiveAttention>>},
      {"net/released_erfa_fn", golden_released_net<ReleasedErfa<ReverseFalseNegativeAttention>>}};
  return builders;
}

/// A net from the options that pam or python/pam_torch.py wrote beside its weights.
inline GoldenModule golden_net_from_options(const GoldenFile& file) {
  auto json = nlohmann::json::parse(file.text("pam.net"), nullptr, /*allow_exceptions=*/false);
  check(!json.is_discarded(), "{}: the metadata's pam.net is not JSON", file.name);
  pam::detail::keep_convolutions(json);  // kept files are older than prune_convolutions
  const auto net = network_from_json(json, file.name + ": pam.net");
  return {net.ptr(), [net](const std::vector<torch::Tensor>& inputs) { return net(inputs.at(0)); }};
}

/// Builds what `file` says. Throws where it says nothing that can be built.
inline GoldenModule build_golden(const GoldenFile& file) {
  if (!file.text("pam.net").empty()) return golden_net_from_options(file);
  const auto kind = file.text("kind"), module = file.text("module");
  if (const auto found = golden_builders().find(kind + "/" + module); found != golden_builders().end()) {
    return found->second(file);
  }
  std::smatch dilated;
  static const std::regex dilated_name(R"((?:d(\d{1,4})|)unet)");
  if (kind == "net" && std::regex_match(module, dilated, dilated_name)) {
    return golden_dilated_net(file, file.number("dilation", dilated[1].matched ? std::stoll(dilated[1]) : 1));
  }
  check(kind == "net", "{}: its metadata ask for kind '{}' and module '{}', which this program cannot build", file.name,
        kind, module);
  return golden_zoo_net(file, module);
}

}  // namespace pam::test
