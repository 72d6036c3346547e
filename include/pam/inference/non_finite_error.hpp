// SPDX-License-Identifier: MIT
/// `NonFiniteError`: a net gave NaN or infinity where it should have given probabilities.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/error.hpp>

#include <cstdint>
#include <string>

namespace pam {

/// Thrown by `predict_planes` and `Predictor` in place of a prediction that would be wrong: the weights, or the image's
/// intensities, are so large that the net's activations overflow. `what()` names the plane; `in_case` the case as well.
class NonFiniteError : public Error {
 public:
  /// `bad` of `values` numbers of plane `plane` of `planes` are not finite.
  NonFiniteError(std::int64_t plane, std::int64_t planes, std::int64_t bad, std::int64_t values)
      : NonFiniteError("predict: ", plane, planes, bad, values) {}

  /// The first plane (slice) of the prediction that is not finite, from 0.
  [[nodiscard]] std::int64_t plane() const { return plane_; }

  /// The same error of the case `name`, of whose `slices` those from `first` on were predicted.
  [[nodiscard]] NonFiniteError in_case(const std::string& name, std::int64_t first, std::int64_t slices) const {
    return {"case " + name + ": ", plane_ + first, slices, bad_, values_};
  }
  /// The same error of the case `name`, all of whose slices were predicted.
  [[nodiscard]] NonFiniteError in_case(const std::string& name) const { return in_case(name, 0, planes_); }

 private:
  NonFiniteError(const std::string& who, std::int64_t plane, std::int64_t planes, std::int64_t bad, std::int64_t values)
      : Error(who + (planes > 1 ? formatted("slice {} (of {}, counted from 0): ", plane, planes) : "") +
              formatted("{} of {} values that the network gives are NaN or infinite, so there is no mask. Its weights, "
                        "or the intensities of the image, are too large for its numbers: compute in float32 if it was "
                        "another precision, prepare the image as in the training, or take an earlier checkpoint",
                        bad, values)),
        plane_(plane),
        planes_(planes),
        bad_(bad),
        values_(values) {}

  std::int64_t plane_, planes_, bad_, values_;
};

}  // namespace pam
