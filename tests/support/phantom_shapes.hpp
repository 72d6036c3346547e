// SPDX-License-Identifier: MIT
/// Internals of data/phantom.hpp: nested blurred ellipsoids, tissue by tissue, with a smooth bias field and noise.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/detail/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace pam::detail {

/// An ellipsoid in voxels, axes along the grid.
struct Ellipsoid {
  std::array<double, 3> centre{}, radii{};  ///< (z, y, x)

  /// 0 at the centre, 1 on the surface.
  [[nodiscard]] double radius(double z, double y, double x) const {
    const double dz = (z - centre[0]) / radii[0], dy = (y - centre[1]) / radii[1], dx = (x - centre[2]) / radii[2];
    return std::sqrt(dz * dz + dy * dy + dx * dx);
  }
};

/// A tissue: where it is (within the ones before it), its label, and its intensity in every modality.
struct PhantomTissue {
  Ellipsoid shape;
  std::int16_t label = 0;
  std::vector<double> intensity;
};

/// Modalities (C, Z, Y, X) float32 and labels (Z, Y, X) int16.
struct PhantomVolume {
  torch::Tensor image, labels;
};

/// Paints `tissues` one over the other; the first is the body: outside of it everything is 0. Edges are blurred over
/// `blur` (share of the radius) in the images and sharp in the labels; `noise` is a share of the body's intensity.
inline PhantomVolume paint_volume(const std::array<std::int64_t, 3>& size, const std::vector<PhantomTissue>& tissues,
                                  double blur, double noise, SampleRandom random) {
  const auto channels = static_cast<std::int64_t>(tissues.front().intensity.size());
  const auto voxels = size[0] * size[1] * size[2];
  PhantomVolume volume{torch::zeros({channels, size[0], size[1], size[2]}),
                       torch::zeros({size[0], size[1], size[2]}, torch::kShort)};
  auto* image = volume.image.data_ptr<float>();
  auto* labels = volume.labels.data_ptr<std::int16_t>();
  const double phase = 6.28 * random.uniform();
  std::vector<double> value(static_cast<std::size_t>(channels));
  for (std::int64_t i = 0; i < voxels; ++i) {
    const auto z = static_cast<double>(i / (size[1] * size[2])), y = static_cast<double>(i / size[2] % size[1]),
               x = static_cast<double>(i % size[2]);
    const double body = tissues.front().shape.radius(z, y, x);
    if (body >= 1) continue;
    value = tissues.front().intensity;
    for (std::size_t t = 1; t < tissues.size(); ++t) {
      const double radius = tissues[t].shape.radius(z, y, x);
      if (radius > 1 + 4 * blur) continue;
      const double share = 1 / (1 + std::exp((radius - 1) / blur));
      for (std::size_t c = 0; c < value.size(); ++c) value[c] += share * (tissues[t].intensity[c] - value[c]);
      if (radius < 1) labels[i] = tissues[t].label;
    }
    const double bias = 1 + 0.1 * std::cos(phase + 4 * x / static_cast<double>(size[2])) *
                                std::cos(3 * y / static_cast<double>(size[1]));
    for (std::int64_t c = 0; c < channels; ++c) {
      // Four uniform numbers are normal enough here, and five times cheaper.
      const double draw = (random.uniform() + random.uniform() + random.uniform() + random.uniform() - 2) * 1.7320508;
      const auto index = static_cast<std::size_t>(c);
      image[c * voxels + i] =
          static_cast<float>(std::max(1.0, value[index] * bias + noise * tissues.front().intensity[index] * draw));
    }
  }
  return volume;
}

/// A number between `low` and `high`.
inline double between(SampleRandom& random, double low, double high) { return low + (high - low) * random.uniform(); }

/// A brain that fills most of the grid.
inline Ellipsoid brain_shape(const std::array<std::int64_t, 3>& size) {
  const auto z = static_cast<double>(size[0]), y = static_cast<double>(size[1]), x = static_cast<double>(size[2]);
  // Thick stacks (ISLES) show brain in every slice; whole heads end inside the grid.
  const double height = size[0] < 40 ? 0.9 : 0.45;
  return {{(z - 1) / 2, (y - 1) / 2, (x - 1) / 2}, {height * z + 0.5, 0.36 * y, 0.3 * x}};
}

/// An ellipsoid of about `share` of the plane's width, somewhere inside `body`; `depth` is its half height in slices.
inline Ellipsoid lesion_in(const Ellipsoid& body, double width, double share, double depth, SampleRandom& random) {
  Ellipsoid lesion;
  for (std::size_t axis = 0; axis < 3; ++axis)
    lesion.centre[axis] = body.centre[axis] + body.radii[axis] * between(random, -0.35, 0.35);
  lesion.radii = {std::max(depth, 0.8), std::max(width * share * between(random, 0.8, 1.25), 1.0),
                  std::max(width * share * between(random, 0.8, 1.25), 1.0)};
  return lesion;
}

/// The same centre, radii times `factor`.
inline Ellipsoid scaled_shape(Ellipsoid shape, double factor) {
  for (auto& radius : shape.radii) radius *= factor;
  return shape;
}

}  // namespace pam::detail
