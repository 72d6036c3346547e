// SPDX-License-Identifier: MIT
#include "support/phantom.hpp"

#include "support/catch.hpp"
#include "support/files.hpp"

#include <fstream>

namespace support_phantom_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

double share(const torch::Tensor& mask) { return mask.to(torch::kDouble).mean().item<double>(); }

TEST_CASE("the BRATS phantom has the real names, types and tumour sizes", "[support]") {
  const TempDir folder;
  // Half the real size a side; the full size is the default, and is what the shares below are stated for.
  write_brats_phantom(folder.path(), {3, {120, 120}, 78, 5});
  REQUIRE(std::filesystem::is_directory(folder / "LGG/Brats18_PHA_003_1"));
  for (const char* name : {"Brats18_PHA_001_1", "Brats18_PHA_002_1"}) {
    const auto base = folder / (std::string("HGG/") + name);
    const auto seg = read_nifti(base / (std::string(name) + "_seg.nii.gz"));
    REQUIRE(seg.voxels.sizes() == torch::IntArrayRef({78, 120, 120}));
    REQUIRE(orientation(seg.affine) == "LPS");
    const auto enhancing = seg.voxels.eq(4).slice(1, 20, 100).slice(2, 20, 100);
    const auto slices = enhancing.flatten(1).any(1);
    // BRATS 2021 case 00006: 2.4 % of the crop on slices that show it (shared data pack); paper-like means 1 to 5 %.
    const double on_slices = share(enhancing.index({slices}));
    CAPTURE(name, on_slices);
    REQUIRE((on_slices > 0.01 && on_slices < 0.05));
    for (const char* modality : {"t1", "t1ce", "t2", "flair"}) {
      const auto image = read_nifti(base / (std::string(name) + "_" + modality + ".nii.gz"));
      REQUIRE(image.voxels.scalar_type() == torch::kShort);
      REQUIRE(image.voxels.sizes() == seg.voxels.sizes());
      const double brain = share(image.voxels.gt(0));
      REQUIRE((brain > 0.1 && brain < 0.4));  // skull-stripped: most of the volume is 0
      const auto mean_of = [&](int label) {
        return image.voxels.masked_select(seg.voxels.eq(label)).to(torch::kDouble).mean().item<double>();
      };
      if (std::string(modality) == "t1ce") REQUIRE(mean_of(4) > 1.3 * mean_of(2));  // the rim enhances
    }
    for (const int label : {1, 2, 4}) REQUIRE(seg.voxels.eq(label).any().item<bool>());
  }
}

TEST_CASE("the ISLES phantom has SMIR's folders and few thick slices", "[support]") {
  const TempDir folder;
  write_isles_phantom(folder.path(), {2, {96, 96}, 0, 1});
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "TRAINING/case_1")) {
    if (!entry.is_regular_file()) continue;
    ++files;
    REQUIRE(entry.path().stem() == entry.path().parent_path().filename());
    const auto image = read_nifti(entry.path());
    REQUIRE((image.voxels.size(0) >= 2 && image.voxels.size(0) <= 9));
    REQUIRE(image.spacing[0] == 5);
    if (entry.path().filename().string().find(".OT.") == std::string::npos) continue;
    const double lesion = share(image.voxels.eq(1));
    REQUIRE((lesion > 0.002 && lesion < 0.05));
  }
  REQUIRE(files == 5);
}

TEST_CASE("the Cityscapes phantom has the official folders and label ids", "[support]") {
  const TempDir folder;
  write_cityscapes_phantom(folder.path(), {2, {128, 256}, 0, 3});
  const auto image = read_image(folder / "leftImg8bit/val/frankfurt/frankfurt_000001_000019_leftImg8bit.png");
  const auto labels = read_label_image(folder / "gtFine/val/frankfurt/frankfurt_000001_000019_gtFine_labelIds.png");
  REQUIRE(image.sizes() == torch::IntArrayRef({3, 128, 256}));
  const double vehicles = share(labels.ge(26).logical_and(labels.le(33)));
  REQUIRE((vehicles > 0.02 && vehicles < 0.15));
  REQUIRE(std::filesystem::exists(folder / "gtFine/train/zurich/zurich_000000_000019_gtFine_labelIds.png"));
}

TEST_CASE("phantoms are the same for the same seed, and differ between seeds and cases", "[support]") {
  const TempDir folder;
  write_folder_phantom(folder / "a", false, {2, {24, 24}, 4, 9});
  write_folder_phantom(folder / "b", false, {2, {24, 24}, 4, 9});
  write_folder_phantom(folder / "c", false, {1, {24, 24}, 4, 10});
  const auto voxels = [&](const char* name) { return read_nifti(folder / name).voxels; };
  REQUIRE(torch::equal(voxels("a/images/case_001.nii.gz"), voxels("b/images/case_001.nii.gz")));
  REQUIRE_FALSE(torch::equal(voxels("a/images/case_001.nii.gz"), voxels("a/images/case_002.nii.gz")));
  REQUIRE_FALSE(torch::equal(voxels("a/images/case_001.nii.gz"), voxels("c/images/case_001.nii.gz")));
  REQUIRE(voxels("a/labels/case_001.nii.gz").max().item<int>() == 1);
  REQUIRE_THROWS_WITH(write_folder_phantom(folder / "d", true, {0}), Contains("at least one case"));
  std::ofstream(folder / "file") << "x";
  REQUIRE_THROWS_WITH(write_brats_phantom(folder / "file", {1}), Contains("folder cannot be made"));
}

TEST_CASE("blurred phantoms differ by their contrast alone, and their truth is that of the blurred ellipses",
          "[support]") {
  const TempDir folder;
  PhantomOptions options;
  options.cases = 2;
  options.blur = 1.5;
  for (const double contrast : {0.0, 1.0, 4.0}) {
    options.contrast = contrast;
    write_blurred_phantom(folder / std::to_string(static_cast<int>(contrast)), options);
  }
  const auto image = [&](const char* level, const char* name) {
    return read_image(folder / level / "images" / name)[0].to(torch::kDouble);
  };
  for (const char* name : {"case_001.png", "case_002.png"}) {
    CAPTURE(name);
    const auto truth = read_label_image(folder / "0" / "labels" / name).squeeze();
    REQUIRE(truth.sizes() == torch::IntArrayRef({64, 64}));
    REQUIRE(truth.max().item<int>() == 1);
    REQUIRE((share(truth) > 0.005 && share(truth) < 0.05));
    REQUIRE(torch::equal(truth, read_label_image(folder / "4" / "labels" / name).squeeze()));
    const auto none = image("0", name), low = image("1", name), high = image("4", name);
    // A Gaussian of sum 1 moves intensity, and adds none; ellipses may lose a little over the border. Rounding to grey
    // levels: at most 0.5 in each of the two pictures, on average far less.
    const double area = truth.sum().item<double>();
    REQUIRE((high - none).sum().item<double>() == Approx(40 * area).epsilon(0.05));
    REQUIRE((low - none).sum().item<double>() == Approx(10 * area).epsilon(0.1));
    REQUIRE((high - none).min().item<double>() >= 0);
    REQUIRE((high - none).max().item<double>() <= 41);
    // Six pixels, four deviations, from the truth nothing differs.
    const auto far = torch::max_pool2d(truth.to(torch::kFloat).view({1, 1, 64, 64}), 15, 1, 7).view({64, 64}).eq(0);
    REQUIRE(far.any().item<bool>());
    REQUIRE(torch::equal(none.masked_select(far), high.masked_select(far)));
    // Noise of deviation 10 beside a smooth background of at most 10.
    const double deviation = none.std().item<double>();
    REQUIRE((deviation > 9 && deviation < 13));
  }
  REQUIRE_FALSE(torch::equal(image("0", "case_001.png"), image("0", "case_002.png")));
  options.contrast = 11;
  REQUIRE_THROWS_WITH(write_blurred_phantom(folder / "x", options), Contains("contrast must be 0 to 10"));
  options.contrast = 1;
  options.plane = {8, 8};
  REQUIRE_THROWS_WITH(write_blurred_phantom(folder / "x", options), Contains("at least 16 pixels"));
}

}  // namespace support_phantom_test
