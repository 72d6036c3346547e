// SPDX-License-Identifier: MIT
/// `typed_clone`: a deep copy that keeps the holder's type, frozen parameters and the random generator's state.
#pragma once

#include <pam/core/seed.hpp>

#include <memory>

namespace pam {

/// A deep copy of `holder`, as the same holder type. Unlike `Module::clone()` it keeps frozen parameters frozen
/// (`requires_grad`) and does not change the random generator (`clone()` re-initialises, which draws numbers).
template <typename Holder>
Holder typed_clone(const Holder& holder) {
  SeedScope scope;
  auto copy = std::dynamic_pointer_cast<typename Holder::Impl>(holder->clone());
  const auto originals = holder->parameters();
  const auto copies = copy->parameters();
  for (std::size_t i = 0; i < originals.size(); ++i) copies[i].set_requires_grad(originals[i].requires_grad());
  return Holder(copy);
}

}  // namespace pam
