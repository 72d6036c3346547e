// SPDX-License-Identifier: MIT
#include <pam/metrics/detail/element_sizes.hpp>
#include <pam/metrics/surface_elements.hpp>

#include "metrics/masks.hpp"
#include "metrics/python_oracle.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace metrics_surface_elements_test {
using namespace pam;
using Catch::Contains;
using pam::test::box_mask;

double total(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

/// The distance of the elements of one surface from the other, weighted by size.
double mean_distance(const SurfaceElements& surface) {
  return std::inner_product(surface.sizes.begin(), surface.sizes.end(), surface.distances.begin(), 0.0) /
         total(surface.sizes);
}

/// (distance, size), sorted.
std::vector<std::pair<double, double>> sorted(const SurfaceElements& surface) {
  std::vector<std::pair<double, double>> pairs;
  for (std::size_t i = 0; i < surface.sizes.size(); ++i) pairs.emplace_back(surface.distances[i], surface.sizes[i]);
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

std::optional<double> nsd(const torch::Tensor& p, const torch::Tensor& t, torch::ArrayRef<double> spacing,
                          double tolerance) {
  return normalised_surface_dice(surface_elements(p, t, spacing), tolerance);
}

// The public test values of DeepMind's surface-distance (surface_distance_test.py), which it states to three places.
constexpr double kThreePlaces = 5e-4;

TEST_CASE("surface elements of pictures have the public test values of DeepMind's surface-distance", "[metrics]") {
  const double corner = std::sqrt(5.0) / 2;  // cuts a pixel of 2 x 1 from edge middle to edge middle
  auto truth = torch::zeros({128, 128}, torch::kBool), prediction = truth.clone();
  truth[50][70] = true, prediction[50][72] = true;
  const auto dots = surface_elements(prediction, truth, {2, 1});
  const std::vector<std::pair<double, double>> expected{{1, corner}, {1, corner}, {2, corner}, {2, corner}};
  REQUIRE(sorted(dots.truth) == expected);
  REQUIRE(sorted(dots.prediction) == expected);
  REQUIRE(normalised_surface_dice(dots, 1) == 0.5);

  const auto square = box_mask({6, 6}, {{{1, 3}, {1, 3}}}), taller = box_mask({6, 6}, {{{1, 4}, {1, 3}}});
  const auto squares = surface_elements(taller, square, {2, 1});
  // Four corners, two horizontal pieces of 1 and two vertical ones of 2; the lower row's middle piece lies 1 off.
  std::vector<std::pair<double, double>> of_square{{0, 1},      {0, 2},      {0, 2},      {0, corner},
                                                   {0, corner}, {0, corner}, {0, corner}, {1, 1}};
  std::sort(of_square.begin(), of_square.end());
  REQUIRE(sorted(squares.truth) == of_square);
  std::vector<std::pair<double, double>> of_taller{{0, 1},      {0, 2},      {0, 2}, {0, 2},      {0, 2},
                                                   {0, corner}, {0, corner}, {2, 1}, {2, corner}, {2, corner}};
  std::sort(of_taller.begin(), of_taller.end());
  REQUIRE(sorted(squares.prediction) == of_taller);
}

TEST_CASE("surface elements of volumes have the public test values of DeepMind's surface-distance", "[metrics]") {
  auto truth = torch::zeros({128, 128, 128}, torch::kBool), prediction = truth.clone();
  truth[50][60][70] = true, prediction[50][60][72] = true;
  const auto dots = surface_elements(prediction, truth, {3, 2, 1});
  REQUIRE(mean_distance(dots.truth) == 1.5);
  REQUIRE(mean_distance(dots.prediction) == 1.5);
  REQUIRE(normalised_surface_dice(dots, 1) == 0.5);

  truth = torch::zeros({100, 100, 100}, torch::kBool), prediction = truth.clone();
  truth.slice(0, 0, 50).fill_(true), prediction.slice(0, 0, 51).fill_(true);
  const auto cubes = surface_elements(prediction, truth, {2, 1, 1});
  REQUIRE(mean_distance(cubes.truth) == Approx(0.322).margin(kThreePlaces));
  REQUIRE(mean_distance(cubes.prediction) == Approx(0.339).margin(kThreePlaces));
  REQUIRE(*normalised_surface_dice(cubes, 1) == Approx(0.836).margin(kThreePlaces));
  REQUIRE(normalised_surface_dice(cubes, 2) == 1.0);
}

TEST_CASE("the areas of a cube's 256 pieces are those of DeepMind's surface-distance", "[metrics]") {
  // What the package surface-distance 0.1 answers: how many of the 256 sets of corners have which area on a unit cube,
  // and the sum of all areas for cells of other shapes.
  const std::map<double, int> expected{{0, 2},         {0.216506, 16}, {0.433013, 32}, {0.649519, 16}, {0.707107, 24},
                                       {0.866025, 2},  {0.923613, 48}, {1, 6},         {1.149519, 48}, {1.299038, 8},
                                       {1.366025, 24}, {1.414214, 6},  {1.573132, 24}};
  std::map<double, int> found;
  for (const double area : pam::detail::element_sizes({1, 1, 1})) ++found[std::round(area * 1e6) / 1e6];
  REQUIRE(found == expected);
  // 1e-12: sums of 256 float64 areas.
  REQUIRE(total(pam::detail::element_sizes({1, 1, 1})) == Approx(241.34313970553745).epsilon(1e-12));
  REQUIRE(total(pam::detail::element_sizes({3, 2, 1})) == Approx(950.4895895094023).epsilon(1e-12));
  REQUIRE(total(pam::detail::element_sizes({5, 0.9, 0.7})) == Approx(776.464517268998).epsilon(1e-12));
  // A set of corners and its complement have surfaces of one area. 1e-14: sums of a few areas in another order.
  const auto areas = pam::detail::element_sizes({5, 0.9, 0.7});
  for (std::size_t set = 0; set < 256; ++set) REQUIRE(areas[set] == Approx(areas[255 - set]).epsilon(1e-14));
}

TEST_CASE("surface elements equal what the package surface-distance 0.1 answers for rugged masks", "[metrics]") {
  // Formulas of the coordinates that make 247 of the 256 sets of corners occur.
  const auto axis = [](std::int64_t n, std::vector<std::int64_t> view) {
    return torch::arange(n, torch::kLong).view(view);
  };
  auto z = axis(9, {9, 1, 1}), y = axis(10, {1, 10, 1}), x = axis(11, {1, 1, 11});
  auto truth = (3 * z * z + 5 * y + 7 * x + z * y * x).remainder(11) < 5;
  auto prediction = (z + 3 * y * y + 5 * x + 2 * z * y * x).remainder(13) < 4;
  // 1e-12: float64 sums of about a thousand areas.
  const auto cubes = surface_elements(prediction, truth);
  REQUIRE(cubes.truth.sizes.size() == 1259);
  REQUIRE(total(cubes.truth.sizes) == Approx(976.3831004692469).epsilon(1e-12));
  REQUIRE(total(cubes.prediction.sizes) == Approx(719.6294892717293).epsilon(1e-12));
  REQUIRE(*normalised_surface_dice(cubes, 0.5) == Approx(0.9248687121307818).epsilon(1e-12));
  REQUIRE(*normalised_surface_dice(cubes, 1) == Approx(0.9970841593361204).epsilon(1e-12));
  const auto boxes = surface_elements(prediction, truth, {3, 0.8, 0.7});
  REQUIRE(total(boxes.truth.sizes) == Approx(1803.2774293523294).epsilon(1e-12));
  REQUIRE(*normalised_surface_dice(boxes, 0.5) == Approx(0.9243916859829382).epsilon(1e-12));
  REQUIRE(*normalised_surface_dice(boxes, 0.75) == Approx(0.9862561175749477).epsilon(1e-12));
  REQUIRE(mean_distance(boxes.truth) == Approx(0.08229436497129909).epsilon(1e-12));

  y = axis(20, {20, 1}), x = axis(23, {1, 23});
  truth = (3 * y * y + 5 * x + y * x).remainder(11) < 5;
  prediction = (y + 3 * x * x + 2 * y * x).remainder(13) < 4;
  const auto flat = surface_elements(prediction, truth, {2, 0.5});
  REQUIRE(flat.truth.sizes.size() == 426);
  REQUIRE(total(flat.truth.sizes) == Approx(524.2329219213245).epsilon(1e-12));
  REQUIRE(*normalised_surface_dice(flat, 0.4) == Approx(0.7755340994277315).epsilon(1e-12));
  REQUIRE(*normalised_surface_dice(flat, 0.6) == Approx(0.9254185921864252).epsilon(1e-12));
}

TEST_CASE("NSD of surface elements equals scipy's, with areas as the largest of all triangulations", "[metrics]") {
  torch::manual_seed(1);
  nlohmann::json data;
  std::vector<SurfaceElementPair> found;
  for (int i = 0; i < 8; ++i) {
    const bool volume = i % 2 == 1;
    const auto shape = volume ? std::vector<std::int64_t>{9, 14, 13} : std::vector<std::int64_t>{31, 37};
    const auto spacing = i < 4    ? std::vector<double>(shape.size(), 1)
                         : volume ? std::vector<double>{2.5, 0.9, 0.7}
                                  : std::vector<double>{0.31, 1.7};
    const auto a = pam::test::blob_mask(shape, 3), b = pam::test::blob_mask(shape, 2.5, 6);
    data.push_back({{"shape", shape},
                    {"spacing", spacing},
                    {"a", pam::test::entries<std::int64_t>(a)},
                    {"b", pam::test::entries<std::int64_t>(b)}});
    found.push_back(surface_elements(a, b, spacing));
  }
  const auto answer = pam::test::ask_python("numpy, scipy.ndimage", R"(
import itertools
from scipy.ndimage import correlate, distance_transform_edt
def triangulations(ring):
    if len(ring) < 3: return [[]]
    return [left + [(ring[0], ring[k], ring[-1])] + right for k in range(1, len(ring) - 1)
            for left in triangulations(ring[:k + 1]) for right in triangulations(ring[k:])]
def area(triangles, spacing):
    s = numpy.array(spacing)
    return sum(numpy.linalg.norm(numpy.cross((b - a) * s, (c - a) * s)) / 2 for a, b, c in triangles)
corners = list(itertools.product((0, 1), repeat=3))
def lines_of_faces(inside):
    for axis in range(3):
        for side in (0, 1):
            ring = [c[:axis] + (side,) + c[axis:] for c in ((0, 0), (0, 1), (1, 1), (1, 0))]
            middle = lambda i: tuple((numpy.array(ring[i % 4]) + ring[(i + 1) % 4]) / 2)
            for start in range(4):
                if ring[start] in inside and ring[start - 1] not in inside:
                    end = start
                    while ring[(end + 1) % 4] in inside: end += 1
                    yield middle(start - 1), middle(end)
def areas(spacing):
    result = [0.]
    for code in range(1, 255):
        inside = {c for bit, c in enumerate(corners) if code >> bit & 1}
        if len(inside) > 4: inside = set(corners) - inside
        lines, total = list(lines_of_faces(inside)), 0
        while lines:
            p, q = lines.pop()
            ring = [p]
            while q != p:
                ring.append(q)
                line = next(l for l in lines if q in l)
                lines.remove(line)
                q = line[1] if line[0] == q else line[0]
            points = [numpy.array(v) for v in ring]
            total += area(max(triangulations(points), key=lambda t: area(t, (1, 1, 1))), spacing)
        result.append(total)
    return numpy.array(result + [0.])
def lengths(spacing):
    y, x = spacing
    diagonal = numpy.hypot(y, x) / 2
    # Corners (0, 0), (0, 1), (1, 0), (1, 1) are bits 0 to 3.
    return numpy.array([0, diagonal, diagonal, x, diagonal, y, 2 * diagonal, diagonal,
                        diagonal, 2 * diagonal, y, diagonal, x, diagonal, diagonal, 0])
answer = []
for c in data:
    a, b = (numpy.pad(numpy.array(c[k], dtype=int).reshape(c['shape']), 1) for k in 'ab')
    kernel = 2 ** numpy.arange(2 ** a.ndim).reshape((2,) * a.ndim)
    size = (areas if a.ndim == 3 else lengths)(c['spacing'])
    codes = [correlate(m, kernel, mode='constant') for m in (a, b)]
    border = [(m > 0) & (m < 2 ** 2 ** a.ndim - 1) for m in codes]
    d = [distance_transform_edt(~border[1 - i], sampling=c['spacing'])[border[i]] for i in (0, 1)]
    s = [size[codes[i]][border[i]] for i in (0, 1)]
    d, w = numpy.hstack(d), numpy.hstack(s)
    answer.append([s[0].sum(), s[1].sum(), w[d <= .5].sum() / w.sum(), w[d <= 1.2].sum() / w.sum(),
                   (s[0] * d[:len(s[0])]).sum() / s[0].sum()])
)",
                                            data);
  if (!answer) PAM_SKIP("needs Python with scipy (Debian: python3-scipy)");
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    const auto& pair = found[i];
    const std::vector<double> mine{total(pair.prediction.sizes), total(pair.truth.sizes),
                                   *normalised_surface_dice(pair, 0.5), *normalised_surface_dice(pair, 1.2),
                                   mean_distance(pair.prediction)};
    const auto expected = (*answer)[i].get<std::vector<double>>();
    // 1e-12: float64 sums of some hundred areas in another order.
    for (std::size_t k = 0; k < mine.size(); ++k) REQUIRE(mine[k] == Approx(expected[k]).epsilon(1e-12));
  }
}

TEST_CASE("NSD of surface elements compares with the border's slack, and follows its rules for empty masks",
          "[metrics]") {
  const auto a = box_mask({40, 40}, {{{5, 15}, {10, 20}}}), moved = box_mask({40, 40}, {{{15, 25}, {10, 20}}});
  const auto float32 = static_cast<double>(1.2F);  // 1.2000000476837158, as NIfTI stores it
  REQUIRE(nsd(a, moved, {float32, 1}, 12) == 1.0);
  REQUIRE(*nsd(a, moved, {float32, 1}, 11.999) < 1);
  const auto none = torch::zeros({40, 40}, torch::kByte);
  REQUIRE(nsd(a, none, {}, 1) == 0.0);
  REQUIRE(nsd(none, a, {}, 1) == 0.0);
  REQUIRE_FALSE(nsd(none, none, {}, 1).has_value());
  const auto lost = surface_elements(none, a);
  REQUIRE(lost.prediction.sizes.empty());
  REQUIRE(std::isinf(lost.truth.distances.front()));
  REQUIRE(lost.truth.distances.size() == 40);  // the box's outline has 40 cells
  REQUIRE_THROWS_WITH(nsd(a, a, {}, -1), Contains("not negative") && Contains("got -1"));
}

TEST_CASE("the image's edge and the box around both masks change no surface element", "[metrics]") {
  torch::manual_seed(2);
  for (const bool volume : {false, true}) {
    const auto shape = volume ? std::vector<std::int64_t>{6, 9, 8} : std::vector<std::int64_t>{20, 25};
    const auto a = pam::test::blob_mask(shape, 3), b = pam::test::blob_mask(shape, 3);
    namespace F = torch::nn::functional;
    const auto pad = [&](const torch::Tensor& m) {
      auto sides = std::vector<std::int64_t>{1, 3, 2, 5};
      if (volume) sides.insert(sides.end(), {4, 1});
      return F::pad(m, F::PadFuncOptions(sides));
    };
    const std::vector<double> spacing(shape.size(), 0.7);
    const auto small = surface_elements(a, b, spacing), large = surface_elements(pad(a), pad(b), spacing);
    REQUIRE(small.prediction.sizes == large.prediction.sizes);
    REQUIRE(small.truth.sizes == large.truth.sizes);
    REQUIRE(small.prediction.distances == large.prediction.distances);
    REQUIRE(small.truth.distances == large.truth.distances);
  }
}

TEST_CASE("a one-slice volume has its slice's contour, and other labels than 1 are foreground", "[metrics]") {
  torch::manual_seed(3);
  const auto a = pam::test::blob_mask({20, 25}, 4), b = pam::test::blob_mask({20, 25}, 4);
  const auto flat = surface_elements(a, b, {0.5, 2});
  for (const std::int64_t axis : {0, 1, 2}) {
    std::vector<double> spacing{0.5, 2};
    spacing.insert(spacing.begin() + axis, 100.0);
    const auto slice = surface_elements(a.unsqueeze(axis) * 7, b.unsqueeze(axis), spacing);
    REQUIRE(sorted(slice.prediction) == sorted(flat.prediction));
    REQUIRE(sorted(slice.truth) == sorted(flat.truth));
  }
  // One pixel of 1 x 1: four corners are cut off, half a diagonal each.
  const auto pixel = torch::ones({1, 1, 1}, torch::kByte);
  REQUIRE(total(surface_elements(pixel, pixel).truth.sizes) == Approx(2 * std::sqrt(2.0)));
  REQUIRE(nsd(pixel, pixel, {}, 0) == 1.0);
}

TEST_CASE("surface elements refuse batches, probabilities, other shapes and bad spacing", "[metrics]") {
  const auto mask = torch::ones({4, 5}, torch::kLong);
  REQUIRE_THROWS_WITH(surface_elements(mask.view({1, 1, 4, 5}), mask.view({1, 1, 4, 5})),
                      Contains("one case at a time") && Contains("[1, 1, 4, 5]"));
  REQUIRE_THROWS_WITH(surface_elements(mask, mask.t()), Contains("one shape"));
  REQUIRE_THROWS_WITH(surface_elements(mask.to(torch::kFloat), mask), Contains("whole numbers"));
  REQUIRE_THROWS_WITH(surface_elements(mask, mask, {1, 1, 1}), Contains("2 axes"));
  REQUIRE_THROWS_WITH(surface_elements(mask, mask, {0, 1}), Contains("positive"));
}

}  // namespace metrics_surface_elements_test
