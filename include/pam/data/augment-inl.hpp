// SPDX-License-Identifier: MIT
/// The definitions of augment.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/augment.hpp>
#include <pam/data/detail/random.hpp>
#include <pam/data/sample.hpp>

#include <cstdint>

namespace pam {

PAM_FUNC void check_augment(const AugmentOptions& options) {
  for (const double share : {options.flip_horizontal, options.flip_vertical}) {
    check(share >= 0 && share <= 1, "augmentation: flip probabilities must be in [0, 1], got {}", share);
  }
  check(options.noise >= 0, "augmentation: noise is a standard deviation and must not be negative, got {}",
        options.noise);
}

PAM_FUNC void augment(Sample& sample, const AugmentOptions& options, SampleRandom random) {
  const bool horizontal = random.uniform() < options.flip_horizontal;
  const bool vertical = random.uniform() < options.flip_vertical;
  auto* image = sample.image.data_ptr<float>();
  const auto height = sample.image.size(1), width = sample.image.size(2);
  detail::flip_planes(image, sample.image.size(0), height, width, horizontal, vertical);
  if (sample.labels.defined())
    detail::flip_planes(sample.labels.data_ptr<std::int64_t>(), 1, height, width, horizontal, vertical);
  if (options.noise <= 0) return;
  for (std::int64_t i = 0; i < sample.image.numel(); ++i)
    image[i] += static_cast<float>(options.noise * random.normal());
}

}  // namespace pam
