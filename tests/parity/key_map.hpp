// SPDX-License-Identifier: MIT
/// From the parameter names of golden files (the authors' code; peers/torch_peer.py; pam's own) to pam's.
/// A rule rewrites a piece of a name; where the piece does not say which of pam's layouts the module has (a block that
/// is followed by an attention or not, one convolution or two), the module's own names decide.
#pragma once

#include <pam/weights/state_dict.hpp>

#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pam::test {

using Rules = std::vector<std::pair<std::regex, std::string>>;

/// Where a part stands in the net.
inline const Rules& place_rules() {
  static const Rules rules{// The authors' baselines: level i + 1 is pam's level i; the encoder's attentions are named
                           // after the decoder's level.
                           {std::regex(R"(^dconv_down1\.)"), "stem."},
                           {std::regex(R"(^dconv_down2\.)"), "stage1."},
                           {std::regex(R"(^dconv_down3\.)"), "stage2."},
                           {std::regex(R"(^dconv_down4\.)"), "stage3."},
                           {std::regex(R"(^dconv_up1\.)"), "decoder0."},
                           {std::regex(R"(^dconv_up2\.)"), "decoder1."},
                           {std::regex(R"(^dconv_up3\.)"), "decoder2."},
                           {std::regex(R"(^conv_last\.weight$)"), "head.weight"},
                           {std::regex(R"(^c?se_1\.)"), "stem.attention."},
                           {std::regex(R"(^c?se_2\.)"), "stage1.attention."},
                           {std::regex(R"(^c?se_3\.)"), "stage2.attention."},
                           {std::regex(R"(^se_4\.)"), "bridge.attention."},
                           {std::regex(R"(^cse_u1\.)"), "decoder0.attention."},
                           {std::regex(R"(^cse_u2\.)"), "decoder1.attention."},
                           {std::regex(R"(^cse_u3\.)"), "decoder2.attention."},
                           {std::regex(R"(^attention_1\.)"), "skip0.gate."},
                           {std::regex(R"(^attention_2\.)"), "skip1.gate."},
                           {std::regex(R"(^attention_3\.)"), "skip2.gate."},
                           // torch_peer.py: its decoder counts from the bridge up.
                           {std::regex(R"(^down\.0\.)"), "stage1."},
                           {std::regex(R"(^down\.1\.)"), "stage2."},
                           {std::regex(R"(^down\.2\.)"), "stage3."},
                           {std::regex(R"(^up\.0\.)"), "decoder2."},
                           {std::regex(R"(^up\.1\.)"), "decoder1."},
                           {std::regex(R"(^up\.2\.)"), "decoder0."}};
  return rules;
}

/// What a part is made of.
inline const Rules& part_rules() {
  static const Rules rules{{std::regex(R"((^|\.)main_branch\.)"), "$1main."},
                           // The authors' FPA and RFNA.
                           {std::regex(R"((^|\.)attention_branch\.0\.)"), "$1expand."},
                           {std::regex(R"((^|\.)attention_branch\.1\.)"), "$1dilated.conv."},
                           {std::regex(R"((^|\.)attention_branch\.2\.)"), "$1dilated.norm."},
                           {std::regex(R"((^|\.)attention_branch\.4\.)"), "$1dilated2.conv."},
                           {std::regex(R"((^|\.)attention_branch\.5\.)"), "$1dilated2.norm."},
                           {std::regex(R"((^|\.)attention_branch\.7\.)"), "$1project."},
                           {std::regex(R"((^|\.)attention_branch_1\.)"), "$1expand.conv."},
                           {std::regex(R"((^|\.)attention_branch_identity\.)"), "$1shortcut."},
                           {std::regex(R"((^|\.)attention_branch_([23])\.0\.)"), "$1down$2.conv."},
                           {std::regex(R"((^|\.)attention_branch_([23])\.1\.)"), "$1down$2.norm."},
                           {std::regex(R"((^|\.)attention_branch_4\.)"), "$1project."},
                           // The authors' attentions.
                           {std::regex(R"((^|\.)W_g\.0\.)"), "$1phi."},
                           {std::regex(R"((^|\.)W_x\.0\.)"), "$1theta."},
                           {std::regex(R"((^|\.)psi\.0\.)"), "$1psi."},
                           {std::regex(R"((^|\.)spatial_squeeze\.)"), "$1spatial."},
                           {std::regex(R"((^|\.)conv_spatial\.)"), "$1spatial."},
                           {std::regex(R"((^|\.)fc1\.)"), "$1squeeze."},
                           {std::regex(R"((^|\.)fc2\.)"), "$1expand."},
                           {std::regex(R"((^|\.)conv_reduce\.)"), "$1mask."},
                           {std::regex(R"((^|\.)squeeze_spatial_(\d)\.)"), "$1gather$2."},
                           {std::regex(R"((^|\.)squeeze_spatial_(\d)_norm\.)"), "$1norm$2."},
                           // Two convolutions in a row, as an nn.Sequential numbers them.
                           {std::regex(R"((^|\.)0\.weight$)"), "$1conv1.conv.weight"},
                           {std::regex(R"((^|\.)1\.(weight|bias)$)"), "$1conv1.norm.$2"},
                           {std::regex(R"((^|\.)3\.weight$)"), "$1conv2.conv.weight"},
                           {std::regex(R"((^|\.)4\.(weight|bias)$)"), "$1conv2.norm.$2"}};
  return rules;
}

/// One of these may turn a rewritten name into the module's.
inline const Rules& layout_rules() {
  static const Rules rules{
      {std::regex(R"(^(stem|stage\d|bridge|decoder\d)\.conv)"), "$1.block.conv"},          // Attended
      {std::regex(R"(\.conv1\.(conv|norm)\.)"), ".$1."},                                   // a single ConvNormAct
      {std::regex(R"((^|\.)(expand|dilated|down2|down3)\.weight$)"), "$1$2.conv.weight"},  // torch_peer.py
      {std::regex(R"((^|\.)norm\.)"), "$1dilated.norm."},                                  // its FPA
      {std::regex(R"((^|\.)norm1\.)"), "$1expand.norm."},                                  // its RFNA
      {std::regex(R"((^|\.)norm([23])\.)"), "$1down$2.norm."}};
  return rules;
}

/// The name in a module that has `names`, or `name` rewritten as far as the rules go.
inline std::string pam_name(std::string name, const std::set<std::string>& names) {
  if (names.count(name) > 0) return name;
  for (const auto* rules : {&place_rules(), &part_rules()}) {
    for (const auto& [pattern, replacement] : *rules) {
      const auto rewritten = std::regex_replace(name, pattern, replacement);
      if (rewritten == name) continue;
      name = rewritten;
      if (names.count(name) > 0) return name;
      if (rules == &place_rules()) break;  // a name stands in one place
    }
  }
  for (const auto& [pattern, replacement] : layout_rules()) {
    const auto other = std::regex_replace(name, pattern, replacement);
    if (names.count(other) > 0) return other;
  }
  return name;
}

/// The parameter names of `module`.
inline std::set<std::string> parameter_names(const torch::nn::Module& module) {
  std::set<std::string> names;
  for (const auto& item : module.named_parameters()) names.insert(item.key());
  return names;
}

}  // namespace pam::test
