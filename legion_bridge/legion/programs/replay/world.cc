#include "world.h"

#include "reductions.h"

namespace replay {

using namespace Legion;

namespace {

DomainPoint corner(const Corner &at, int dimension)
{
    DomainPoint point;
    point.dim = dimension;
    for (int d = 0; d < dimension; d++)
        point[d] = at[d];
    return point;
}

Box empty_box()
{
    Box box;
    box.upper.fill(-1);
    return box;
}

PrivilegeMode privilege_of(Privilege privilege)
{
    switch (privilege) {
    case Privilege::READ: return LEGION_READ_ONLY;
    case Privilege::READ_WRITE: return LEGION_READ_WRITE;
    case Privilege::WRITE: return LEGION_WRITE_DISCARD;
    case Privilege::REDUCE: return LEGION_REDUCE;
    default: return LEGION_NO_ACCESS;
    }
}

}  // namespace

Domain domain_of(const Box &box, int dimension)
{
    return Domain(corner(box.lower, dimension), corner(box.upper, dimension));
}

namespace {

Domain box_around(const Launch &launch)
{
    DomainPoint lower, upper;
    lower.dim = upper.dim = static_cast<int>(launch.extents.size());
    for (size_t d = 0; d < launch.extents.size(); d++) {
        lower[d] = launch.lower.empty() ? 0 : launch.lower[d];
        upper[d] = lower[d] + launch.extents[d] - 1;
    }
    return Domain(lower, upper);
}

}  // namespace

int64_t number_of(const DomainPoint &point, const Domain &domain)
{
    int64_t number = 0;
    if (!domain.dense()) {
        for (Domain::DomainPointIterator it(domain); it; it++)
            number += it.p < point;
        return number;
    }
    for (int d = 0; d < domain.get_dim(); d++)
        number = number * (domain.hi()[d] - domain.lo()[d] + 1) + point[d] - domain.lo()[d];
    return number;
}

LogicalRegion PieceOfPoint::project(LogicalPartition pieces, const DomainPoint &point,
                                    const Domain &domain, const void *colors, size_t size)
{
    const int64_t number = number_of(point, domain);
    const auto *table = static_cast<const int64_t *>(colors);
    const int64_t color = size == 0 ? number : table[number];
    return runtime->get_logical_subregion_by_color(pieces, DomainPoint(Point<1>(color)));
}

LogicalRegion PieceOfPoint::project(LogicalPartition pieces, const DomainPoint &point,
                                    const Domain &domain)
{
    return project(pieces, point, domain, nullptr, 0);
}

World::World(const Plan &plan, Context ctx, Runtime *runtime) : plan(plan), runtime(runtime)
{
    for (size_t number = 0; number < plan.regions.size(); number++)
        make_region(ctx, static_cast<int>(number));
    for (size_t number = 0; number < plan.partitions.size(); number++) {
        const int region = plan.partitions[number].region;
        make_partition(ctx, roots[region], plan.regions[region].bounds, static_cast<int>(number));
    }
    for (int phase = 0; phase < PHASES; phase++)
        for (size_t launch = 0; launch < plan.phases[phase].size(); launch++) {
            make_sparse(ctx, static_cast<Phase>(phase), static_cast<int>(launch));
            make_nested(ctx, static_cast<Phase>(phase), static_cast<int>(launch));
        }
}

Domain World::launch_domain(Phase phase, int launch) const
{
    const auto found = sparse.find({phase, launch});
    return found != sparse.end() ? found->second : box_around(plan.phases[phase][launch]);
}

void World::make_sparse(Context ctx, Phase phase, int number)
{
    std::vector<DomainPoint> points;
    for (const std::vector<int64_t> &coordinates : plan.phases[phase][number].points) {
        DomainPoint point;
        point.dim = static_cast<int>(coordinates.size());
        for (size_t d = 0; d < coordinates.size(); d++)
            point[d] = coordinates[d];
        points.push_back(point);
    }
    if (!points.empty())
        sparse[{phase, number}] =
            runtime->get_index_space_domain(ctx, runtime->create_index_space(ctx, points));
}

void World::make_region(Context ctx, int number)
{
    const Region &region = plan.regions[number];
    const IndexSpace space =
        runtime->create_index_space(ctx, domain_of(region.bounds, region.dimension));
    const FieldSpace fields = runtime->create_field_space(ctx);
    FieldAllocator allocator = runtime->create_field_allocator(ctx, fields);
    for (size_t i = 0; i < region.fields.size(); i++) {
        const FieldID id = FIRST_FIELD + static_cast<FieldID>(i);
        allocator.allocate_field(region.fields[i].bytes, id);
        runtime->attach_name(fields, id, region.fields[i].name.c_str());
    }
    const LogicalRegion root = runtime->create_logical_region(ctx, space, fields);
    runtime->attach_name(root, region.name.c_str());
    roots.push_back(root);
    // What no launch writes is a fill, which takes place where the data is first used.
    for (size_t i = 0; i < region.fields.size(); i++) {
        const std::vector<char> value(region.fields[i].bytes, static_cast<char>(i + 1));
        runtime->fill_field(ctx, root, root, FIRST_FIELD + static_cast<FieldID>(i), value.data(),
                            value.size());
    }
}

// The pieces that lie in a region: all of them in a root, those of one piece of another partition
// where a task passes on parts of what it holds.
void World::make_partition(Context ctx, LogicalRegion within, const Box &bounds, int number)
{
    if (partitions.count({within, number})) return;
    const Partition &partition = plan.partitions[number];
    const int dimension = plan.regions[partition.region].dimension;
    std::map<DomainPoint, Domain> domains;
    for (size_t color = 0; color < partition.pieces.size(); color++) {
        const Box &piece = partition.pieces[color];
        const bool inside = !piece.empty(dimension) && bounds.contains(piece, dimension);
        domains[DomainPoint(Point<1>(static_cast<coord_t>(color)))] =
            domain_of(inside ? piece : empty_box(), dimension);
    }
    const IndexSpace colors = runtime->create_index_space(
        ctx, Domain(Rect<1>(0, static_cast<coord_t>(partition.pieces.size()) - 1)));
    const IndexPartition pieces = runtime->create_partition_by_domain(
        ctx, within.get_index_space(), domains, colors, false);
    const LogicalPartition made = runtime->get_logical_partition(within, pieces);
    runtime->attach_name(made, partition.name.c_str());
    partitions[{within, number}] = made;
}

void World::make_nested(Context ctx, Phase phase, int number)
{
    const Launch &launch = plan.phases[phase][number];
    if (launch.parent < 0) return;
    const int64_t points = plan.points(phase, number), volume = launch.volume();
    for (unsigned index = 0; index < launch.requirements.size(); index++) {
        const Requirement &requirement = launch.requirements[index];
        if (requirement.partition < 0) continue;
        const auto under = static_cast<unsigned>(requirement.under);
        for (int64_t point = 0; point < points; point++)
            if (!is_same_piece(phase, number, index, point))
                make_partition(ctx, holder(phase, number, index, point / volume),
                               bounds_of(phase, launch.parent, under, point / volume),
                               requirement.partition);
    }
}

int64_t World::color_of(Phase phase, int launch, unsigned index, int64_t point) const
{
    const std::vector<int64_t> &colors = plan.phases[phase][launch].requirements[index].colors;
    return colors.empty() ? point : colors[point];
}

Box World::bounds_of(Phase phase, int launch, unsigned index, int64_t point) const
{
    const Requirement &requirement = plan.phases[phase][launch].requirements[index];
    if (requirement.partition < 0) return plan.regions[requirement.region].bounds;
    return plan.partitions[requirement.partition].pieces[color_of(phase, launch, index, point)];
}

LogicalRegion World::holder(Phase phase, int number, unsigned index, int64_t parent_point) const
{
    const Launch &launch = plan.phases[phase][number];
    const Requirement &requirement = launch.requirements[index];
    if (launch.parent < 0) return roots[requirement.region];
    return region_at(phase, launch.parent, static_cast<unsigned>(requirement.under), parent_point);
}

// Whether a point takes the very piece that its parent holds.
bool World::is_same_piece(Phase phase, int number, unsigned index, int64_t point) const
{
    const Launch &launch = plan.phases[phase][number];
    const Requirement &requirement = launch.requirements[index];
    if (requirement.partition < 0) return true;
    if (launch.parent < 0) return false;
    const auto under = static_cast<unsigned>(requirement.under);
    const Requirement &held = plan.phases[phase][launch.parent].requirements[under];
    return held.partition == requirement.partition &&
           color_of(phase, number, index, point) ==
               color_of(phase, launch.parent, under, point / launch.volume());
}

LogicalRegion World::region_at(Phase phase, int number, unsigned index, int64_t point) const
{
    const Launch &launch = plan.phases[phase][number];
    const LogicalRegion held = holder(phase, number, index, point / launch.volume());
    if (is_same_piece(phase, number, index, point)) return held;
    const LogicalPartition pieces =
        partitions.at({held, launch.requirements[index].partition});
    return runtime->get_logical_subregion_by_color(
        pieces, DomainPoint(Point<1>(color_of(phase, number, index, point))));
}

RegionRequirement World::single_requirement(Phase phase, int number, unsigned index,
                                            int64_t point) const
{
    const Requirement &requirement = plan.phases[phase][number].requirements[index];
    const LogicalRegion held = holder(phase, number, index, point);
    const LogicalRegion region = region_at(phase, number, index, point);
    RegionRequirement made =
        requirement.privilege == Privilege::REDUCE
            ? RegionRequirement(region, reduction_of(plan, requirement), LEGION_EXCLUSIVE, held)
            : RegionRequirement(region, privilege_of(requirement.privilege), LEGION_EXCLUSIVE,
                                held);
    finish(made, requirement);
    return made;
}

RegionRequirement World::index_requirement(Phase phase, int number, unsigned index,
                                           int64_t parent_point) const
{
    const Launch &launch = plan.phases[phase][number];
    const Requirement &requirement = launch.requirements[index];
    const LogicalRegion held = holder(phase, number, index, parent_point);
    const int64_t first = parent_point * launch.volume();
    bool whole = true;
    for (int64_t n = 0; n < launch.volume() && whole; n++)
        whole = is_same_piece(phase, number, index, first + n);
    const bool reduces = requirement.privilege == Privilege::REDUCE;
    const PrivilegeMode privilege = privilege_of(requirement.privilege);
    RegionRequirement made;
    if (whole) {
        made = reduces ? RegionRequirement(held, 0, reduction_of(plan, requirement),
                                           LEGION_EXCLUSIVE, held)
                       : RegionRequirement(held, 0, privilege, LEGION_EXCLUSIVE, held);
    } else {
        const LogicalPartition pieces = partitions.at({held, requirement.partition});
        made = reduces ? RegionRequirement(pieces, PIECE_OF_POINT, reduction_of(plan, requirement),
                                           LEGION_EXCLUSIVE, held)
                       : RegionRequirement(pieces, PIECE_OF_POINT, privilege, LEGION_EXCLUSIVE,
                                           held);
        if (!requirement.colors.empty() || launch.parent >= 0) {
            std::vector<int64_t> table;
            for (int64_t n = 0; n < launch.volume(); n++)
                table.push_back(color_of(phase, number, index, first + n));
            made.set_projection_args(table.data(), table.size() * sizeof table[0]);
        }
    }
    finish(made, requirement);
    return made;
}

void World::finish(RegionRequirement &made, const Requirement &requirement) const
{
    for (const int field : requirement.fields)
        made.add_field(FIRST_FIELD + static_cast<FieldID>(field));
}

}  // namespace replay
