// SPDX-License-Identifier: MIT
#include "engine/prediction_files.hpp"

#include "engine/run_folder.hpp"

#include <pam/core/duration_string.hpp>
#include <pam/datasets/data_files.hpp>
#include <pam/datasets/find_cases.hpp>
#include <pam/images/image.hpp>
#include <pam/images/nifti.hpp>
#include <pam/inference/predict_case.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>
#include <utility>

#include <unistd.h>

namespace pam::apps {
namespace {

namespace fs = std::filesystem;

CaseFiles one_case(const std::string& name, std::vector<fs::path> images) {
  CaseFiles files;
  files.name = name;
  files.images = std::move(images);
  return files;
}

/// NAME of NAME_0000 (nnU-Net's first channel) where every file of `files` has such a name and there is no other
/// channel; else the stems. So a case is called as in training, where its label is called NAME.
std::vector<std::string> names_of_files(const std::vector<fs::path>& files) {
  const auto groups = channel_groups(files);
  const bool firsts = groups.size() == files.size() && std::all_of(groups.begin(), groups.end(), [](const auto& group) {
                        return stem_of(group.second.front()) == group.first + "_0000";
                      });
  std::vector<std::string> names;
  for (const auto& file : files) {
    const auto stem = stem_of(file);
    names.push_back(firsts ? stem.substr(0, stem.size() - 5) : stem);
  }
  return names;
}

/// NAME_0000 … as the channels of one case, if all names have as many as the net takes; else nothing. Numbered files
/// that are complete inputs (frames, 4-D volumes) stay separate cases.
std::vector<CaseFiles> channel_cases(const std::vector<fs::path>& files, std::int64_t channels) {
  const auto groups = channel_groups(files);
  const bool fits = std::all_of(groups.begin(), groups.end(), [&](const auto& group) {
    return static_cast<std::int64_t>(group.second.size()) == channels &&
           stem_of(group.second.front()) == group.first + "_0000";
  });
  const bool colour = channels == 3 && is_image_name(files.front());
  std::vector<CaseFiles> cases;
  if (channels == 1 || colour || groups.empty() || !fits) return cases;
  check_channels(groups);
  for (const auto& [name, images] : groups) cases.push_back(one_case(name, images));
  return cases;
}

/// A warning where one folder holds volumes and pictures.
void warn_of_two_kinds(const fs::path& folder, const std::vector<fs::path>& files, std::vector<std::string>& warnings) {
  const auto volumes = std::count_if(files.begin(), files.end(), [](const auto& file) { return is_nifti_name(file); });
  const auto pictures = static_cast<std::ptrdiff_t>(files.size()) - volumes;
  if (volumes == 0 || pictures == 0) return;
  warnings.push_back(fmt::format(
      "{}: holds volumes ({}) and pictures ({}); a network is trained on one kind, and its masks of the other mean "
      "nothing: keep each kind in a folder of its own",
      folder.string(), volumes, pictures));
}

/// What the two ways to read a folder have in common: the files in it, or one folder per case.
struct FolderReader {
  const std::vector<std::string>& modalities;
  const std::vector<std::string>& trained;
  std::int64_t channels;
  std::vector<std::string>& warnings;

  [[nodiscard]] std::vector<CaseFiles> read(const fs::path& folder) const {
    const auto files = data_files(folder);
    if (files.empty() && modalities.empty()) {
      for (const char* images : {"images", "imagesTs", "imagesTr"}) {
        if (fs::is_directory(folder / images)) return read(folder / images);
      }
    }
    const auto folders = folders_with_data(folder);
    if (files.empty() || !modalities.empty()) return read_folders(folder, folders, files);
    if (!folders.empty()) {
      const auto first = folders.front().filename().string();
      warnings.push_back(fmt::format(
          "{}: holds images, so {} left out: a folder is read as its files, or with --modalities as one "
          "folder per case; give --modalities, or each folder as an --input of its own",
          folder.string(),
          folders.size() == 1
              ? fmt::format("the folder {} in it, which holds images too, is", first)
              : fmt::format("the {} folders in it that hold images too, such as {}, are", folders.size(), first)));
    }
    return read_files(folder, files);
  }

  /// One folder per case, or the layouts of training.
  [[nodiscard]] std::vector<CaseFiles> read_folders(const fs::path& root, const std::vector<fs::path>& folders,
                                                    const std::vector<fs::path>& files) const {
    if (!files.empty()) {
      warnings.push_back(
          fmt::format("{}: with --modalities its folders are the cases, and the {} beside them {} left out, such as "
                      "{}; to predict these, leave --modalities out",
                      root.string(), files.size() == 1 ? "image" : fmt::format("{} images", files.size()),
                      files.size() == 1 ? "is" : "are", files.front().filename().string()));
    }
    const bool deeper = std::any_of(fs::directory_iterator(root), fs::directory_iterator(),
                                    [](const auto& entry) { return entry.is_directory(); });
    check(deeper || !files.empty(),
          "--input {}: holds no image; give the folder that holds them, as NIfTI (.nii, .nii.gz) or pictures (.png, "
          ".jpg, .tif, .bmp, .webp); DICOM must be converted before, such as by dcm2niix",
          root.string());
    FolderOptions where;
    where.need_labels = false;
    where.root = root;
    where.modalities = modalities;
    if (modalities.empty() && !folders.empty() && !fs::is_directory(root / "trainannot")) where.modalities = trained;
    auto cases = find_cases(where);
    for (auto& each : cases) each.labels.clear();  // labels are not read, so damage or another grid does not matter
    return cases;
  }

  /// Each file a case, or NAME_0000 … one.
  [[nodiscard]] std::vector<CaseFiles> read_files(const fs::path& folder, const std::vector<fs::path>& files) const {
    warn_of_two_kinds(folder, files, warnings);
    auto grouped = channel_cases(files, channels);
    if (!grouped.empty()) return grouped;
    FolderOptions where;
    where.need_labels = false;
    where.images = folder;
    auto cases = find_cases(where);
    std::vector<fs::path> firsts;
    for (const auto& each : cases) firsts.push_back(each.images.front());
    const auto names = names_of_files(firsts);
    for (std::size_t i = 0; i < cases.size(); ++i) cases[i].name = names[i];
    return cases;
  }
};

}  // namespace

std::vector<CaseFiles> find_inputs(const std::vector<std::string>& inputs, const std::vector<std::string>& modalities,
                                   const std::vector<std::string>& trained, std::int64_t channels,
                                   std::vector<std::string>& warnings) {
  for (const auto& input : inputs) check(fs::exists(input), "--input {}: no such file or folder", input);
  const bool folder =
      std::any_of(inputs.begin(), inputs.end(), [](const auto& path) { return fs::is_directory(path); });
  check(!folder || inputs.size() == 1, "--input: give one folder, or files; got {} paths with a folder among them",
        inputs.size());
  if (folder) return FolderReader{modalities, trained, channels, warnings}.read(inputs.front());
  std::vector<fs::path> files(inputs.begin(), inputs.end());
  check(modalities.empty(),
        "--modalities: is for an --input folder that holds one folder per case; with files, give "
        "the modalities of the case in channel order and leave --modalities out");
  const bool modalities_of_one = files.size() > 1 && channels > 1 && is_nifti_name(files.front());
  if (modalities_of_one) {
    const auto channels_of = channel_groups(files);
    return {one_case(channels_of.size() == 1 ? channels_of.begin()->first : stem_of(files.front()), files)};
  }
  std::vector<CaseFiles> cases;
  const auto names = names_of_files(files);
  for (std::size_t i = 0; i < files.size(); ++i) cases.push_back(one_case(names[i], {files[i]}));
  return cases;
}

void check_results(const std::vector<CaseFiles>& cases, std::int64_t probabilities, const fs::path& out,
                   bool overwrite) {
  check_writable("--out", out);
  for (const auto& each : cases) check_apart("--out", out, each.images, "masks");
  std::set<std::string> names;
  std::map<fs::path, std::string> case_of;
  for (const auto& each : cases) {
    check(names.insert(each.name).second,
          "two inputs have the name \"{}\", so their results would be one file; rename one", each.name);
    for (const auto& result : prediction_files(each, probabilities, out)) {
      const auto [other, fresh] = case_of.emplace(result, each.name);
      check(fresh, "{}: the results of \"{}\" and of \"{}\" would be this one file; rename an input", result.string(),
            other->second, each.name);
      if (!fs::exists(result)) continue;
      for (const auto& input : cases) {
        for (const auto& image : input.images) {
          std::error_code ignored;
          check(!fs::equivalent(result, image, ignored),
                "--out {}: {} would be overwritten by the result of \"{}\"; choose another folder", out.string(),
                image.string(), each.name);
        }
      }
      check(overwrite, "--out {}: {} is there already; choose another folder, or --overwrite replaces it", out.string(),
            result.string());
    }
  }
}

ProgressLine::ProgressLine(std::size_t cases) : cases_(cases), terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(std::size_t before, const std::string& name, std::int64_t done, std::int64_t total) {
  const double now = watch_.seconds();
  if (!terminal_ || (done < total && now - shown_ < 0.1)) return;
  shown_ = now;
  const double share = (static_cast<double>(before) + static_cast<double>(done) / static_cast<double>(total)) /
                       static_cast<double>(cases_);
  std::cerr << fmt::format("\r\033[K{}  {}/{}  case {} of {}  left {}", name, done, total, before + 1, cases_,
                           duration_string(now / share - now))
            << std::flush;
}

void ProgressLine::finish(const std::string& text) {
  ++finished_;
  const double now = watch_.seconds();
  const double left = now / static_cast<double>(finished_) * static_cast<double>(cases_ - finished_);
  if (terminal_) std::cerr << "\r\033[K" << std::flush;
  std::cout << text << (finished_ < cases_ ? "  left " + duration_string(left) : "  took " + duration_string(now))
            << std::endl;
}

}  // namespace pam::apps
