// SPDX-License-Identifier: MIT
/// Where the zoo's nets have their blocks.
#pragma once

#include <cstddef>
#include <type_traits>

namespace pam::detail {

/// Attention after the stages, but not after the last one, which the bridge follows.
template <typename Options>
void attend_all_but_last(Options& options) {
  auto stages = options.stages();
  stages.assign(static_cast<std::size_t>(options.depth()), stages.front());
  stages.back().attend(false);
  options.stages(stages);
}

/// Sets `block` in the stages and, where it is the same type, in the bridge.
template <typename Options, typename Block>
void place_block(Options& options, const Block& block) {
  options.stage(block);
  if constexpr (std::is_same_v<std::decay_t<decltype(options.bridge())>, Block>) options.bridge(block);
}

}  // namespace pam::detail
