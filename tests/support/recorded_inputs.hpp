// SPDX-License-Identifier: MIT
/// The arguments of an operator that an at::RecordFunction callback is told of.
#pragma once

#include <ATen/record_function.h>

namespace pam::test {

/// `RecordFunction::inputs()` asserts, in a TU without NDEBUG, a flag that a LibTorch built with NDEBUG never sets. The
/// member itself is fine; an explicit instantiation may name it.
using RecordedInputs = c10::ArrayRef<const c10::IValue>;
RecordedInputs recorded_inputs(const at::RecordFunction& fn);
template <RecordedInputs at::RecordFunction::*Member>
struct InputsOf {
  friend RecordedInputs recorded_inputs(const at::RecordFunction& fn) { return fn.*Member; }
};
template struct InputsOf<&at::RecordFunction::inputs_>;

}  // namespace pam::test
