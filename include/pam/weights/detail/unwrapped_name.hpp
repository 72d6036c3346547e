// SPDX-License-Identifier: MIT
/// Names of Python's wrappers; defined in weights/weights-inl.hpp.
#pragma once

#include <string>

namespace pam::detail {

/// `name` without the wrappers that torch.nn.DataParallel and torch.compile put into it.
std::string unwrapped_name(std::string name);

}  // namespace pam::detail
