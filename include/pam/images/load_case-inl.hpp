// SPDX-License-Identifier: MIT
/// The definitions of load_case.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/ordered_workers.hpp>
#include <pam/images/case.hpp>
#include <pam/images/case_options.hpp>
#include <pam/images/crop.hpp>
#include <pam/images/detail/case_preparation.hpp>
#include <pam/images/hemispheres.hpp>
#include <pam/images/image.hpp>
#include <pam/images/image_labels.hpp>
#include <pam/images/label_volume.hpp>
#include <pam/images/load_case.hpp>
#include <pam/images/nifti.hpp>
#include <pam/images/resample.hpp>
#include <pam/images/resize_labels.hpp>

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

namespace pam {

namespace detail {

PAM_FUNC std::string size_text(const LoadedFile& file) {
  const auto size = file.size();
  return file.is_volume ? fmt::format("{} x {} x {} voxels (x, y, z)", size[2], size[1], size[0])
                        : fmt::format("{} x {} pixels (width, height)", size[2], size[1]);
}

PAM_FUNC void check_data_name(const std::filesystem::path& path, const char* pictures) {
  const auto extension = path.extension();
  check(extension != ".hdr" && extension != ".img",
        "{}: is one half of a .hdr/.img pair (NIfTI or Analyze 7.5), which pam does not read; convert it to .nii.gz",
        path.string());
  check(is_image_name(path), "{}: is neither NIfTI (.nii, .nii.gz) nor a picture ({})", path.string(), pictures);
}

PAM_FUNC LoadedFile as_loaded(const std::filesystem::path& path, const NiftiImage& image) {
  LoadedFile loaded{path, {}, image, true};
  loaded.values = image.voxels.dim() == 4 ? image.voxels : image.voxels.unsqueeze(0);
  return loaded;
}

PAM_FUNC LoadedFile load_volume(const std::filesystem::path& path) { return as_loaded(path, read_nifti(path)); }

PAM_FUNC LoadedFile load_image_file(const std::filesystem::path& path, std::int64_t channels) {
  if (is_nifti_name(path)) return load_volume(path);
  check_data_name(path, ".png, .jpg, .tif, .bmp, .webp");
  return {path, read_image(path, channels).unsqueeze(1), {}, false};
}

PAM_FUNC LoadedFile load_label_file(const std::filesystem::path& path, const CaseOptions& options,
                                    std::vector<std::string>& notices) {
  if (!is_nifti_name(path)) {
    check_data_name(path, ".png, .tif, .bmp");
    LoadedFile loaded{path, {}, {}, false};
    loaded.values = read_label_image(path, options.mask_channel, options.labels.is_threshold(), &loaded.alpha)
                        .unsqueeze(0)
                        .unsqueeze(0);
    if (!loaded.alpha.empty()) notices.push_back(loaded.alpha);
    return loaded;
  }
  check(options.mask_channel == MaskChannel::Grey,
        "{}: is a volume, and only pictures have channels of colours and alpha (CaseOptions::mask_channel)",
        path.string());
  auto loaded = as_loaded(path, read_label_volume(path, options.zero_non_finite, notices));
  check(loaded.values.size(0) == 1,
        "{}: holds {} label volumes; a label file holds one: save the one that counts alone", path.string(),
        loaded.values.size(0));
  return loaded;
}

PAM_FUNC void check_same_grid(const LoadedFile& first, const LoadedFile& second, const char* what, bool ignore_affine,
                              std::vector<std::string>& notices) {
  check(first.is_volume == second.is_volume,
        "{} and {}: one is a volume, the other a picture; a case is one or the other", first.path.string(),
        second.path.string());
  check(first.size() == second.size(), "{}: the {} {} is {}, but {} is {}; they must be of one size: {}",
        second.path.string(), what, second.path.filename().string(), size_text(second), first.path.string(),
        size_text(first),
        first.is_volume ? "resample one of them (CaseOptions::resample)" : "is it the label of another image?");
  if (!first.geometry.is_placed() || !second.geometry.is_placed()) return;
  if (same_grid(first.geometry, second.geometry, first.size())) return;
  const auto axes = orientation(second.geometry.affine), expected = orientation(first.geometry.affine);
  check(axes == expected || ignore_affine,
        "{}: its voxel axes run {}, those of {} run {}: their voxels do not correspond; bring them to one grid "
        "(CaseOptions::resample), or, where the header is wrong, pair them as they are stored "
        "(CaseOptions::ignore_affine)",
        second.path.string(), axes, first.path.filename().string(), expected);
  notices.push_back(
      fmt::format("{}: lies elsewhere in space than {} ({}); paired voxel by voxel", second.path.string(),
                  first.path.filename().string(),
                  axes == expected ? "their affines differ" : "its voxel axes run " + axes + ", not " + expected));
}

PAM_FUNC void resample_to_one_grid(std::vector<LoadedFile>& images, const LoadedFile& labels,
                                   const CaseOptions& options, std::vector<std::string>& notices) {
  const bool has_labels = labels.values.defined();
  const auto& target = has_labels && labels.geometry.is_placed() ? labels : images.front();
  const auto stays = [&](const LoadedFile& file) {
    if (file.geometry.is_placed() && target.geometry.is_placed())
      return same_grid(file.geometry, target.geometry, target.size());
    check(
        file.size() == target.size(),
        "{}: is {}, {} is {}, and the header of {} has neither sform nor qform: nothing says where it lies; set one of "
        "them, or bring the files to one size",
        file.path.string(), size_text(file), target.path.string(), size_text(target),
        (file.geometry.is_placed() ? target : file).path.filename().string());
    return true;
  };
  if (has_labels && labels.is_volume && target.is_volume) static_cast<void>(stays(labels));
  for (auto& image : images) {
    if (!image.is_volume || !target.is_volume) continue;
    if (stays(image) && image.size() == target.size()) continue;
    notices.push_back(fmt::format("{}: resampled from {} to the grid of {}", image.path.string(), size_text(image),
                                  target.path.filename().string()));
    handle_non_finite(image, options.zero_non_finite, notices);
    image.values = resample(image.values, image.geometry, target.geometry, target.size());
    image.geometry = target.geometry;
  }
}

PAM_FUNC Reorientation reorient(std::vector<LoadedFile>& images, LoadedFile& labels, const CaseOptions& options,
                                std::vector<std::string>& notices) {
  const auto& code = options.orient.empty() ? options.axes : options.orient;
  const auto& first = images.front();
  if (code.empty() || !first.is_volume) return {};
  check(first.geometry.is_placed() || options.orient.empty(),
        "{}: its header has neither sform nor qform, so nothing says how its axes run, and it cannot be brought to {} "
        "(CaseOptions::orient); set one of them",
        first.path.string(), options.orient);
  if (!first.geometry.is_placed()) {
    notices.push_back(
        fmt::format("{}: its header has neither sform nor qform, so nothing says how its voxel axes run, and the "
                    "training's volumes ran {}: taken as it is stored; if it runs otherwise, the mask is wrong: set "
                    "one of the two",
                    first.path.string(), code));
    return {};
  }
  const auto from = orientation(first.geometry.affine);
  const Reorientation of_first(from, code);
  if (options.orient.empty() && of_first.changes()) {
    notices.push_back(
        fmt::format("{}: its voxel axes run {}; turned to {}, as the training's volumes ran; the result has the file's "
                    "own",
                    first.path.string(), from, code));
  }
  const auto turn = [&](LoadedFile& file) {
    if (!file.values.defined() || !file.is_volume) return;
    const bool by_itself = file.geometry.is_placed() && !options.ignore_affine;
    const auto how = by_itself ? Reorientation(orientation(file.geometry.affine), code) : of_first;
    if (!how.changes()) return;
    if (file.geometry.is_placed()) file.geometry = how.apply(file.geometry, file.size());
    file.values = how.apply(file.values);
  };
  for (auto& image : images) turn(image);
  turn(labels);
  return of_first;
}

PAM_FUNC void take_hemisphere(Case& result, const NiftiGeometry& geometry) {
  const auto range =
      hemisphere_range(geometry, result.resized_size, result.files.part, result.files.images.front().string());
  result.image = result.image.narrow(1 + range.dimension, range.start, range.length).contiguous();
  if (result.labels.defined()) {
    result.labels = result.labels.narrow(range.dimension, range.start, range.length).contiguous();
  }
  const auto index = static_cast<std::size_t>(range.dimension);
  result.offset[index] += range.start;
  result.cut_before[index] = range.start;
  result.cut_after[index] = result.resized_size[index] - range.start - range.length;
}

PAM_FUNC std::vector<LoadedFile> load_image_files(const std::vector<std::filesystem::path>& paths,
                                                  std::int64_t channels) {
  const auto count = static_cast<std::int64_t>(paths.size());
  const auto threads = count > 1 ? static_cast<std::int64_t>(at::get_num_threads()) : 0;
  OrderedWorkers<LoadedFile> files(count, threads, count, [&](std::int64_t i) {
    return load_image_file(paths[static_cast<std::size_t>(i)], channels);
  });
  std::vector<LoadedFile> loaded;
  while (auto file = files.next()) loaded.push_back(std::move(*file));
  return loaded;
}

PAM_FUNC Case load_case_files(const CaseFiles& files, const CaseOptions& options) {
  Case result;
  result.name = files.name;
  result.files = files;
  check(!files.images.empty(), "there are no image files");
  auto images = load_image_files(files.images, options.channels);
  auto labels = files.labels.empty() ? LoadedFile{} : load_label_file(files.labels, options, result.notices);
  if (options.resample) resample_to_one_grid(images, labels, options, result.notices);
  result.is_volume = images[0].is_volume;
  result.geometry = images[0].geometry;
  result.input_size = images[0].size();
  result.reorientation = reorient(images, labels, options, result.notices);
  const bool as_stored = options.ignore_affine;
  for (std::size_t i = 1; i < images.size(); ++i) {
    check_same_grid(images[0], images[i], "image", as_stored, result.notices);
  }
  if (labels.values.defined()) {
    check_same_grid(images[0], labels, "label", as_stored, result.notices);
    result.labels = options.labels.apply(labels.values[0], labels.path.string(), torch::kShort);
    result.masks.add(labels.values[0], result.labels, labels.path.string(), labels.alpha);
  }
  if (const auto doubt = spacing_doubt(result.geometry); result.is_volume && !doubt.empty()) {
    result.notices.push_back(images[0].path.string() + ": " + doubt);
  }
  result.resized_size = images[0].size();
  check(!result.is_volume || !options.resize.given(), "{}: volumes are cropped or padded, not resized",
        files.images[0].string());
  if (options.resize.given()) {
    result.resized_size = {1, options.resize.height, options.resize.width};
    if (result.labels.defined()) {
      result.labels = resize_labels(result.labels[0], options.resize.height, options.resize.width).unsqueeze(0);
    }
  }
  result.image = stack_images(images, options, result);
  if (files.part != CasePart::Whole) {
    check(result.is_volume, "{}: is a picture; only volumes have hemispheres", files.images[0].string());
    take_hemisphere(result, images[0].geometry);
  }
  normalise_and_crop(result, options);
  return result;
}

}  // namespace detail
}  // namespace pam
