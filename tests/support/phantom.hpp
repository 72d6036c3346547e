// SPDX-License-Identifier: MIT
/// Phantoms: folders with the names, sizes and types of BRATS, ISLES 2018 and Cityscapes, filled with seeded shapes, so
/// that loaders and whole trainings can be tested where the real data (all behind a registration) is not at hand.
/// Foreground sizes are like the real ones: enhancing tumour 2 % of a 160 × 160 slice, stroke core 1.5 % of a slice,
/// vehicles 7 % of a picture. No number computed on phantoms says anything about the real task.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/detail/random.hpp>
#include <pam/images/case.hpp>
#include <pam/images/image.hpp>
#include <pam/images/image_labels.hpp>
#include <pam/images/nifti.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "support/phantom_shapes.hpp"

namespace pam {

/// Size and number of phantoms. Zeros mean the real data set's size.
struct PhantomOptions {
  std::int64_t cases = 4;
  PlaneSize plane = {};
  std::int64_t slices = 0;
  std::uint64_t seed = 0;
  std::int64_t label = 1;  ///< value of the foreground in the files of `write_folder_phantom`, at most 255
  double contrast = 2;     ///< of `write_blurred_phantom`: height of the foreground, in deviations of the noise
  double blur = 1.5;       ///< of `write_blurred_phantom`: standard deviation of its Gaussian blur, in pixels
};

namespace detail {

inline std::array<std::int64_t, 3> phantom_size(const PhantomOptions& options, std::array<std::int64_t, 3> real) {
  check(options.label >= 0 && options.label <= 255, "phantom: the label must be 0 to 255, got {}", options.label);
  check(options.cases >= 1, "phantom: at least one case, got {}", options.cases);
  if (options.slices > 0) real[0] = options.slices;
  if (options.plane.given()) real[1] = options.plane.height, real[2] = options.plane.width;
  return real;
}

/// A head with a tumour: brain, oedema (label 2), enhancing rim (4), necrotic core (1); t1, t1ce, t2, flair.
inline PhantomVolume brats_volume(const std::array<std::int64_t, 3>& size, SampleRandom random) {
  const auto brain = brain_shape(size);
  const auto width = static_cast<double>(size[2]);
  const auto tumour =
      lesion_in(brain, width, 0.06, 0.06 * width * static_cast<double>(size[0]) / 155 * 240 / width, random);
  return paint_volume(size,
                      {{brain, 0, {300, 310, 320, 280}},
                       {scaled_shape(tumour, 1.8), 2, {240, 250, 520, 560}},
                       {tumour, 4, {260, 520, 430, 450}},
                       {scaled_shape(tumour, 0.5), 1, {180, 190, 600, 350}}},
                      0.06, 0.04, random);
}

/// A brain with a stroke: penumbra and core (label 1) in CBF, CBV, MTT, Tmax.
inline PhantomVolume isles_volume(const std::array<std::int64_t, 3>& size, SampleRandom random) {
  const auto brain = brain_shape(size);
  const auto core = lesion_in(brain, static_cast<double>(size[2]), 0.07, 0.35 * static_cast<double>(size[0]), random);
  return paint_volume(
      size, {{brain, 0, {60, 4, 5, 3}}, {scaled_shape(core, 1.6), 0, {30, 3.5, 9, 9}}, {core, 1, {12, 1.5, 11, 12}}},
      0.1, 0.06, random);
}

/// Label ids of Cityscapes that the phantom street uses.
enum : int {
  kStreetRoad = 7,
  kStreetBuilding = 11,
  kStreetSky = 23,
  kStreetCar = 26,
  kStreetTruck = 27,
  kStreetEgo = 1
};

struct PhantomPicture {
  torch::Tensor image, labels;  ///< (3, H, W) uint8; (H, W) uint8 of label ids
};

/// A street: sky, houses, road, and vehicles of several sizes that cover about 7 %.
inline PhantomPicture street_picture(std::int64_t height, std::int64_t width, SampleRandom random) {
  struct Vehicle {
    double row, column, tall, wide;
    std::array<double, 3> colour;
    int id;
  };
  const auto h = static_cast<double>(height), w = static_cast<double>(width);
  std::vector<Vehicle> vehicles;
  for (double covered = 0; covered < 0.07;) {
    const double wide = between(random, 0.04, 0.13), tall = wide * between(random, 0.8, 1.4);
    vehicles.push_back({between(random, 0.5, 0.75),
                        between(random, 0, 1),
                        tall,
                        wide,
                        {between(random, 20, 235), between(random, 20, 235), between(random, 20, 235)},
                        random.uniform() < 0.8 ? kStreetCar : kStreetTruck});
    covered += 3.14159 * wide * tall / 4;
  }
  PhantomPicture picture{torch::empty({3, height, width}, torch::kByte), torch::empty({height, width}, torch::kByte)};
  auto* image = picture.image.data_ptr<std::uint8_t>();
  auto* labels = picture.labels.data_ptr<std::uint8_t>();
  const double phase = 6.28 * random.uniform();
  for (std::int64_t i = 0; i < height * width; ++i) {
    const double row = static_cast<double>(i / width) / h, column = static_cast<double>(i % width) / w;
    const double roofs = 0.25 + 0.08 * std::sin(phase + 9 * column);
    int id = row > 0.96 ? kStreetEgo : row > 0.55 ? kStreetRoad : row > roofs ? kStreetBuilding : kStreetSky;
    std::array<double, 3> colour = id == kStreetSky        ? std::array<double, 3>{170, 190, 220}
                                   : id == kStreetBuilding ? std::array<double, 3>{110, 100, 90}
                                                           : std::array<double, 3>{75, 75, 80};
    for (const auto& vehicle : vehicles) {
      const double dy = (row - vehicle.row) / (vehicle.tall / 2), dx = (column - vehicle.column) / (vehicle.wide / 2);
      if (dy * dy * dy * dy + dx * dx * dx * dx >= 1) continue;  // a rounded box
      id = vehicle.id;
      colour = vehicle.colour;
      if (dy < -0.1 && dy > -0.6) colour = {40, 50, 60};  // windows
    }
    labels[i] = static_cast<std::uint8_t>(id);
    const double noise = 24 * (random.uniform() - 0.5);
    for (std::size_t c = 0; c < 3; ++c) {
      image[static_cast<std::int64_t>(c) * height * width + i] =
          static_cast<std::uint8_t>(std::clamp(colour[c] + noise, 0.0, 255.0));
    }
  }
  return picture;
}

/// `plane` (H, W) convolved with a Gaussian of deviation `blur`, cut off at four deviations; outside is 0.
inline torch::Tensor blurred_plane(const torch::Tensor& plane, double blur) {
  if (blur <= 0) return plane;
  const auto reach = static_cast<std::int64_t>(std::ceil(4 * blur));
  auto kernel = torch::exp(-0.5 * torch::square(torch::arange(-reach, reach + 1, torch::kDouble) / blur));
  kernel = kernel / kernel.sum();
  const auto along_rows = torch::conv2d(plane.to(torch::kDouble).view({1, 1, plane.size(0), plane.size(1)}),
                                        kernel.view({1, 1, 1, -1}), {}, 1, at::IntArrayRef({0, reach}));
  return torch::conv2d(along_rows, kernel.view({1, 1, -1, 1}), {}, 1, at::IntArrayRef({reach, 0})).view(plane.sizes());
}

/// Two to four ellipses with radii of 2 to 4 pixels, within the picture: (H, W), 0 and 1.
inline torch::Tensor small_ellipses(std::int64_t height, std::int64_t width, SampleRandom random) {
  auto mask = torch::zeros({height, width});
  auto* pixels = mask.data_ptr<float>();
  for (auto left = 2 + random.below(3); left > 0; --left) {
    const double tall = between(random, 2, 4), wide = between(random, 2, 4);
    const double row = between(random, tall, static_cast<double>(height) - 1 - tall),
                 column = between(random, wide, static_cast<double>(width) - 1 - wide);
    for (std::int64_t i = 0; i < height * width; ++i) {
      const double dy = (static_cast<double>(i / width) - row) / tall,
                   dx = (static_cast<double>(i % width) - column) / wide;
      if (dy * dy + dx * dx < 1) pixels[i] = 1;
    }
  }
  return mask;
}

inline void make_folders(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check(!error, "{}: the folder cannot be made: {}", path.string(), error.message());
}

}  // namespace detail

/// BRATS 2018 as downloaded: ROOT/HGG/Brats18_PHA_NNN_1/Brats18_PHA_NNN_1_{t1,t1ce,t2,flair,seg}.nii.gz, every third
/// case in ROOT/LGG instead. int16, 240 × 240 × 155, 1 mm, labels 0, 1, 2, 4.
inline void write_brats_phantom(const std::filesystem::path& root, const PhantomOptions& options = {}) {
  const auto size = detail::phantom_size(options, {155, 240, 240});
  const auto geometry = geometry_of({{{-1, 0, 0, 0}, {0, -1, 0, static_cast<double>(size[1] - 1)}, {0, 0, 1, 0}}});
  for (std::int64_t i = 0; i < options.cases; ++i) {
    const auto name = fmt::format("Brats18_PHA_{:03}_1", i + 1);
    const auto folder = root / (i % 3 == 2 ? "LGG" : "HGG") / name;
    detail::make_folders(folder);
    const auto volume = detail::brats_volume(size, SampleRandom(options.seed, 1, static_cast<std::uint64_t>(i)));
    const char* const kModalities[] = {"t1", "t1ce", "t2", "flair"};
    for (std::int64_t c = 0; c < 4; ++c) {
      write_nifti(folder / fmt::format("{}_{}.nii.gz", name, kModalities[c]), volume.image[c].round().to(torch::kShort),
                  geometry, {1});
    }
    write_nifti(folder / (name + "_seg.nii.gz"), volume.labels, geometry, {1});
  }
}

/// ISLES 2018 as downloaded: ROOT/TRAINING/case_N/SMIR.Brain.XX.O.KIND.ID/SMIR.Brain.XX.O.KIND.ID.nii with KIND =
/// CT_CBF, CT_CBV, CT_MTT, CT_Tmax (float32) and OT (int16, 0 and 1); 256 × 256, 2 to 9 slices of 5 mm.
inline void write_isles_phantom(const std::filesystem::path& root, const PhantomOptions& options = {}) {
  const auto real = detail::phantom_size(options, {0, 256, 256});
  for (std::int64_t i = 0; i < options.cases; ++i) {
    SampleRandom random(options.seed, 2, static_cast<std::uint64_t>(i));
    auto size = real;
    if (size[0] == 0) size[0] = 2 + random.below(8);
    const double pixel = 220.0 / static_cast<double>(size[2]);
    const auto geometry = geometry_of({{{-pixel, 0, 0, 110}, {0, -pixel, 0, 110}, {0, 0, 5, 0}}});
    const auto volume = detail::isles_volume(size, random);
    const char* const kKinds[] = {"CT_CBF", "CT_CBV", "CT_MTT", "CT_Tmax", "OT"};
    for (std::int64_t kind = 0; kind < 5; ++kind) {
      const auto name = fmt::format("SMIR.Brain.XX.O.{}.{}", kKinds[kind], 345563 + 10 * i + kind);
      const auto folder = root / "TRAINING" / fmt::format("case_{}", i + 1) / name;
      detail::make_folders(folder);
      write_nifti(folder / (name + ".nii"), kind < 4 ? volume.image[kind] : volume.labels, geometry);
    }
  }
}

/// Cityscapes as downloaded: ROOT/leftImg8bit/SPLIT/CITY/CITY_NNNNNN_000019_leftImg8bit.png (RGB) with
/// ROOT/gtFine/SPLIT/CITY/CITY_NNNNNN_000019_gtFine_labelIds.png; 2048 × 1024. `cases` is the number in each of the
/// cities aachen and zurich (train) and frankfurt (val).
inline void write_cityscapes_phantom(const std::filesystem::path& root, const PhantomOptions& options = {}) {
  const auto size = detail::phantom_size(options, {1, 1024, 2048});
  std::uint64_t stream = 3;
  for (const auto& [split, city] : {std::pair{"train", "aachen"}, {"train", "zurich"}, {"val", "frankfurt"}}) {
    const auto images = root / "leftImg8bit" / split / city, labels = root / "gtFine" / split / city;
    detail::make_folders(images);
    detail::make_folders(labels);
    for (std::int64_t i = 0; i < options.cases; ++i) {
      const auto picture =
          detail::street_picture(size[1], size[2], SampleRandom(options.seed, stream, static_cast<std::uint64_t>(i)));
      const auto name = fmt::format("{}_{:06}_000019", city, i);
      write_image(images / (name + "_leftImg8bit.png"), picture.image, {95, 1});
      write_label_image(labels / (name + "_gtFine_labelIds.png"), picture.labels);
    }
    ++stream;
  }
}

/// A plain folder: ROOT/images/case_NNN and ROOT/labels/case_NNN as .nii.gz (T1-like brains, label 1 = lesion; default
/// 64 × 64, 16 slices) or as .png (streets, label 1 = vehicle; default 128 × 64). Small, for tests.
inline void write_folder_phantom(const std::filesystem::path& root, bool pictures, const PhantomOptions& options = {}) {
  detail::make_folders(root / "images");
  detail::make_folders(root / "labels");
  const auto size =
      pictures ? detail::phantom_size(options, {1, 64, 128}) : detail::phantom_size(options, {16, 64, 64});
  for (std::int64_t i = 0; i < options.cases; ++i) {
    const auto name = fmt::format("case_{:03}", i + 1);
    const SampleRandom random(options.seed, 7, static_cast<std::uint64_t>(i));
    if (pictures) {
      const auto picture = detail::street_picture(size[1], size[2], random);
      write_image(root / "images" / (name + ".png"), picture.image);
      write_label_image(
          root / "labels" / (name + ".png"),
          picture.labels.eq(detail::kStreetCar).logical_or(picture.labels.eq(detail::kStreetTruck)).to(torch::kByte) *
              options.label);
      continue;
    }
    const auto volume = detail::isles_volume(size, random);
    const auto middle = static_cast<double>(size[2] - 1) / 2;
    const auto geometry = geometry_of({{{2, 0, 0, -2 * middle}, {0, 2, 0, -2 * middle}, {0, 0, 2, 0}}});
    write_nifti(root / "images" / (name + ".nii.gz"), volume.image[3].mul(100).round().to(torch::kShort), geometry,
                {1});
    write_nifti(root / "labels" / (name + ".nii.gz"), volume.labels.to(torch::kByte) * options.label, geometry, {1});
  }
}

/// Small blurred foregrounds whose truth is known exactly: ROOT/images/case_NNN.png (grey) and ROOT/labels/case_NNN.png
/// (label 1); default 64 × 64. The truth is a few small ellipses. The image is a smooth background around 100, plus the
/// truth blurred by `blur` and `contrast` × 10 high, plus noise of deviation 10. The same seed gives the same ellipses,
/// background and noise at every contrast and blur, so that data sets differ in nothing else.
inline void write_blurred_phantom(const std::filesystem::path& root, const PhantomOptions& options = {}) {
  check(std::isfinite(options.contrast) && options.contrast >= 0 && options.contrast <= 10,
        "phantom: the contrast must be 0 to 10 deviations of the noise, got {}", options.contrast);
  check(std::isfinite(options.blur) && options.blur >= 0 && options.blur <= 20,
        "phantom: the blur must be 0 to 20 pixels, got {}", options.blur);
  const auto size = detail::phantom_size(options, {1, 64, 64});
  check(size[1] >= 16 && size[2] >= 16, "phantom: blurred pictures must be at least 16 pixels a side, got {}x{}",
        size[1], size[2]);
  detail::make_folders(root / "images");
  detail::make_folders(root / "labels");
  constexpr double kNoise = 10;
  for (std::int64_t i = 0; i < options.cases; ++i) {
    const auto name = fmt::format("case_{:03}.png", i + 1);
    const auto truth =
        detail::small_ellipses(size[1], size[2], SampleRandom(options.seed, 8, static_cast<std::uint64_t>(i)));
    SampleRandom random(options.seed, 9, static_cast<std::uint64_t>(i));
    auto image = detail::blurred_plane(truth, options.blur).to(torch::kDouble).mul(options.contrast * kNoise);
    auto* pixels = image.data_ptr<double>();
    const double phase = 6.28 * random.uniform(), slant = 6.28 * random.uniform();
    for (std::int64_t p = 0; p < image.numel(); ++p) {
      const double y = static_cast<double>(p / size[2]) / static_cast<double>(size[1]),
                   x = static_cast<double>(p % size[2]) / static_cast<double>(size[2]);
      const double draw = (random.uniform() + random.uniform() + random.uniform() + random.uniform() - 2) * 1.7320508;
      pixels[p] += 100 + kNoise * std::cos(phase + 5 * x) * std::cos(slant + 4 * y) + kNoise * draw;
    }
    write_image(root / "images" / name, image.round().clamp(0, 255).to(torch::kByte).unsqueeze(0));
    write_label_image(root / "labels" / name, truth.to(torch::kByte));
  }
}

}  // namespace pam
