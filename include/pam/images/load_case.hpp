// SPDX-License-Identifier: MIT
/// `load_case`: reads the files of one case into a `Case` that a net can take; each file is decoded once.
/// Order: read, compare grids, map labels, take a hemisphere, normalise, resize (pictures), crop or pad.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/case.hpp>
#include <pam/images/case_options.hpp>
#include <pam/images/detail/case_preparation.hpp>
#include <pam/images/image.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pam {

namespace detail {

std::string size_text(const LoadedFile& file);

LoadedFile load_volume(const std::filesystem::path& path);

LoadedFile load_image_file(const std::filesystem::path& path, std::int64_t channels);

/// All images of a case, decoded at the same time, on as many threads as LibTorch uses. If files cannot be read, throws
/// the error of the first of them.
std::vector<LoadedFile> load_image_files(const std::vector<std::filesystem::path>& paths, std::int64_t channels);

/// `options`: of labels, mask_channel and zero_non_finite.
LoadedFile load_label_file(const std::filesystem::path& path, const CaseOptions& options,
                           std::vector<std::string>& notices);

/// Refuses names that are neither NIfTI nor a picture; `pictures` lists the pictures that are read.
void check_data_name(const std::filesystem::path& path, const char* pictures);

/// Refuses two files of one case that are not on one grid; warns if only their affines differ. Files whose headers do
/// not say where they lie are assumed to be on the same grid.
void check_same_grid(const LoadedFile& first, const LoadedFile& second, const char* what, bool ignore_affine,
                     std::vector<std::string>& notices);

/// Brings the volumes of a case to one grid: that of the labels, or of the first image where there are no labels or
/// their header does not say where they lie. A file without an affine cannot be resampled: it must have that size.
void resample_to_one_grid(std::vector<LoadedFile>& images, const LoadedFile& labels, const CaseOptions& options,
                          std::vector<std::string>& notices);

/// Brings the volumes of a case to `CaseOptions::orient`, or else to `CaseOptions::axes`; returns what was done to the
/// first image.
Reorientation reorient(std::vector<LoadedFile>& images, LoadedFile& labels, const CaseOptions& options,
                       std::vector<std::string>& notices);

/// `geometry`: of the reoriented input.
void take_hemisphere(Case& result, const NiftiGeometry& geometry);

Case load_case_files(const CaseFiles& files, const CaseOptions& options);

}  // namespace detail

/// Reads one case. Volumes become (C, Z, H, W): the fourth axis of a 4-D file, and further files, are channels.
/// Throws `Error` that names the case and the file: unreadable or damaged files, files of one case that differ in size
/// (unless `resample`), unknown labels, NaN, a picture beside a volume, too little memory.
inline Case load_case(const CaseFiles& files, const CaseOptions& options = {}) {
  try {
    return detail::load_case_files(files, options);
  } catch (const Error& error) {
    fail("case {}: {}", files.name, error.what());
  } catch (const std::exception& error) {  // for example a file that is larger than the memory
    const auto* from_torch = dynamic_cast<const c10::Error*>(&error);
    fail("case {}: {}: cannot be prepared: {}; is it damaged, or too large for this memory?", files.name,
         files.images.empty() ? "" : files.images.front().string(),
         from_torch != nullptr ? from_torch->what_without_backtrace() : error.what());
  }
}

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/load_case-inl.hpp>
#endif
