// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/detail/element_sizes.hpp>

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <cstddef>
#include <utility>

namespace pam::detail {

/// The point in the middle of the edge between two corners, named by the digits, in base 3, of twice its coordinates.
PAM_FUNC int edge_point(int a, int b) {
  const auto digit = [&](int axis) { return (a >> axis & 1) + (b >> axis & 1); };
  return digit(2) * 9 + digit(1) * 3 + digit(0);
}

using Point3 = std::array<double, 3>;

PAM_FUNC Point3 point_at(int point, const Point3& steps) {
  return {point / 9 * steps[0] / 2, point / 3 % 3 * steps[1] / 2, point % 3 * steps[2] / 2};
}

/// Calls `line(p, q)` for each line of the surface on a face, whose `corners` are in order around it. Each run of
/// corners inside is cut off by a line of its own.
template <typename Line>
void for_face_lines(const std::array<int, 4>& corners, int inside, Line&& line) {
  const auto corner = [&](int i) { return corners[static_cast<std::size_t>(i & 3)]; };
  const auto in = [&](int i) { return (inside >> corner(i) & 1) != 0; };
  for (int first = 0; first < 4; ++first) {
    if (!in(first) || in(first + 3)) continue;
    int last = first;
    while (in(last + 1)) ++last;
    line(edge_point(corner(first + 3), corner(first)), edge_point(corner(last), corner(last + 1)));
  }
}

/// The closed polygons of the surface in a cell of eight voxels, as edge points in order.
PAM_FUNC std::vector<std::vector<int>> cell_polygons(int inside) {
  if (std::bitset<8>(static_cast<unsigned>(inside)).count() > 4) inside = 255 - inside;
  // Each edge belongs to two faces, so a cut edge has two neighbours.
  int neighbours[27][2];
  std::fill_n(&neighbours[0][0], 54, -1);
  const auto join = [&](int from, int to) { neighbours[from][neighbours[from][0] < 0 ? 0 : 1] = to; };
  for (const int axis : {1, 2, 4}) {
    const int u = axis == 1 ? 2 : 1, v = axis == 4 ? 2 : 4;
    for (const int side : {0, axis}) {
      for_face_lines({side, side | u, side | u | v, side | v}, inside, [&](int p, int q) { join(p, q), join(q, p); });
    }
  }
  std::vector<std::vector<int>> polygons;
  for (int start = 0; start < 27; ++start) {
    if (neighbours[start][0] < 0) continue;
    polygons.emplace_back();
    for (int at = start, from = neighbours[start][1]; neighbours[at][0] >= 0;) {
      const int next = neighbours[at][neighbours[at][0] == from ? 1 : 0];
      polygons.back().push_back(at);
      neighbours[at][0] = -1;
      from = std::exchange(at, next);
    }
  }
  return polygons;
}

/// The area of a polygon as a fan of triangles around its vertex `hub`.
PAM_FUNC double fan_area(const std::vector<int>& polygon, std::size_t hub, const Point3& steps) {
  const auto n = polygon.size();
  const auto side = [&](std::size_t i) {
    const auto a = point_at(polygon[hub], steps), b = point_at(polygon[(hub + i) % n], steps);
    return Point3{b[0] - a[0], b[1] - a[1], b[2] - a[2]};
  };
  double area = 0;
  for (std::size_t i = 1; i + 1 < n; ++i) {
    const auto a = side(i), b = side(i + 1);
    area += std::hypot(a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]) / 2;
  }
  return area;
}

PAM_FUNC std::vector<double> element_sizes(const std::vector<double>& steps) {
  if (steps.size() == 2) {
    std::vector<double> lengths(16, 0);
    for (int inside = 0; inside < 16; ++inside) {
      for_face_lines({0, 1, 3, 2}, inside, [&](int p, int q) {
        const auto a = point_at(p, {0, steps[0], steps[1]}), b = point_at(q, {0, steps[0], steps[1]});
        lengths[static_cast<std::size_t>(inside)] += std::hypot(a[1] - b[1], a[2] - b[2]);
      });
    }
    return lengths;
  }
  std::vector<double> areas(256, 0);
  for (int inside = 1; inside < 255; ++inside) {
    for (const auto& polygon : cell_polygons(inside)) {
      std::size_t hub = 0;
      for (std::size_t i = 1; i < polygon.size(); ++i) {
        // Vertices of equal area on a cube have equal areas on any cell; the margin keeps rounding from choosing.
        if (fan_area(polygon, i, {1, 1, 1}) > fan_area(polygon, hub, {1, 1, 1}) + 1e-9) hub = i;
      }
      areas[static_cast<std::size_t>(inside)] += fan_area(polygon, hub, {steps[0], steps[1], steps[2]});
    }
  }
  return areas;
}

}  // namespace pam::detail
