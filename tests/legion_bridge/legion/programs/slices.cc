// Prints how Legion's default mapper slices boxes: for each line "COUNT EXTENT ..." of the input
// one line with the processor of every point, the last dimension fastest.
#include <iostream>
#include <sstream>
#include <vector>

#include "legion.h"
#include "mappers/default_mapper.h"

using namespace Legion;
using namespace Legion::Mapping;

struct Slicer : public DefaultMapper {
    using DefaultMapper::default_decompose_points;
    using DefaultMapper::default_select_num_blocks;
};

template <int DIM>
void print_processors(size_t count, const std::vector<coord_t> &extents)
{
    Point<DIM, coord_t> lower, upper;
    for (int d = 0; d < DIM; d++) {
        lower[d] = 0;
        upper[d] = extents[d] - 1;
    }
    const Rect<DIM, coord_t> box(lower, upper);
    std::vector<Processor> processors;
    for (size_t i = 0; i < count; i++) {
        Processor processor;
        processor.id = i + 1;
        processors.push_back(processor);
    }
    std::vector<Mapper::TaskSlice> slices;
    Slicer::default_decompose_points<DIM>(
        DomainT<DIM, coord_t>(box), processors,
        Slicer::default_select_num_blocks<DIM>(static_cast<long long>(count), box), false, false,
        slices);
    for (PointInRectIterator<DIM, coord_t> point(box, false); point(); point++)
        for (const Mapper::TaskSlice &slice : slices)
            if (slice.domain.contains(DomainPoint(*point)))
                std::cout << slice.proc.id - 1 << ' ';
    std::cout << '\n';
}

int main()
{
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        size_t count = 0;
        words >> count;
        std::vector<coord_t> extents;
        for (coord_t extent; words >> extent;) extents.push_back(extent);
        if (extents.size() == 1) print_processors<1>(count, extents);
        if (extents.size() == 2) print_processors<2>(count, extents);
        if (extents.size() == 3) print_processors<3>(count, extents);
    }
    return 0;
}
