/* Flows: copies that share their links fairly, each at no more than a rate of its own.
 *
 * What takes a link for itself goes first: flows over it stand still meanwhile.
 *
 * Shares are max-min fair: no flow can have more without taking from one that has no more than
 * itself (Bertsekas and Gallager, Data Networks, section 6.5.2). They last until a flow begins,
 * ends, is held or goes on.
 */
#include "flows.h"

#include <math.h>
#include <stdlib.h>

int open_flows(struct flows *flows, const struct input *in)
{
    size_t links = (size_t)in->links + 1;
    *flows = (struct flows){.in = in, .next = INFINITY};
    flows->spare = calloc(links, sizeof *flows->spare);
    flows->lowest = calloc(links, sizeof *flows->lowest);
    flows->sharing = calloc(links, sizeof *flows->sharing);
    flows->users = calloc(links, sizeof *flows->users);
    return flows->spare != NULL && flows->lowest != NULL && flows->sharing != NULL &&
           flows->users != NULL;
}

void close_flows(struct flows *flows)
{
    free(flows->flows);
    free(flows->spare);
    free(flows->lowest);
    free(flows->sharing);
    free(flows->users);
}

/* Lets all flows go on as they do until a time. */
static void advance(struct flows *flows, double now)
{
    double seconds = now - flows->now;
    for (int64_t i = 0; i < flows->count; i++)
        flows->flows[i].left = larger(flows->flows[i].left - flows->flows[i].rate * seconds, 0.0);
    flows->now = now;
}

int begin_flow(struct flows *flows, double now, int64_t operation, const struct link_path *path,
               double bytes, double held)
{
    if (flows->count == flows->capacity) {
        int64_t capacity = flows->capacity ? 2 * flows->capacity : 64;
        struct flow *larger = realloc(flows->flows, sizeof *larger * (size_t)capacity);
        if (larger == NULL)
            return 0;
        flows->flows = larger;
        flows->capacity = capacity;
    }
    advance(flows, now);
    flows->flows[flows->count++] = (struct flow){
        .operation = operation, .start = now, .left = bytes, .most = path->slowest, .held = held,
        .path = *path};
    for (int64_t l = 0; l < path->count; l++)
        flows->users[path->links[l]]++;
    flows->changed = flows->other = 1;
    return 1;
}

void hold_flows(struct flows *flows, double now, int64_t link, double until)
{
    if (flows->users[link] == 0)
        return;
    advance(flows, now);
    for (int64_t i = 0; i < flows->count; i++)
        for (int64_t l = 0; l < flows->flows[i].path.count; l++)
            if (flows->flows[i].path.links[l] == link)
                flows->flows[i].held = larger(flows->flows[i].held, until);
    flows->changed = 1;
}

/* What a flow without a share can have: as much as any other on each of its links. */
static double bound_of(const struct flows *flows, const struct flow *flow)
{
    double bound = flow->most;
    for (int64_t l = 0; l < flow->path.count; l++) {
        int64_t link = flow->path.links[l];
        bound = smaller(bound, flows->spare[link] / (double)flows->sharing[link]);
    }
    return bound;
}

/* Whether the bound of a flow is its share: nobody that is on its narrowest link has less. */
static int is_settled(const struct flows *flows, const struct flow *flow)
{
    if (flow->rate >= flow->most)
        return 1;
    for (int64_t l = 0; l < flow->path.count; l++) {
        int64_t link = flow->path.links[l];
        double equal = flows->spare[link] / (double)flows->sharing[link];
        if (equal <= flow->rate && flows->lowest[link] >= equal)
            return 1;
    }
    return 0;
}

/* Settles the flows whose share is known now; returns how many have none yet. */
static int64_t settle(struct flows *flows)
{
    int64_t unsettled = 0;
    for (int64_t i = 0; i < flows->count; i++) {
        struct flow *flow = &flows->flows[i];
        for (int64_t l = 0; !flow->settled && l < flow->path.count; l++)
            flows->lowest[flow->path.links[l]] = INFINITY;
    }
    for (int64_t i = 0; i < flows->count; i++) {
        struct flow *flow = &flows->flows[i];
        if (flow->settled)
            continue;
        flow->rate = larger(bound_of(flows, flow), 0.0); /* rounded, others may have a bit too much */
        for (int64_t l = 0; l < flow->path.count; l++) {
            double *lowest = &flows->lowest[flow->path.links[l]];
            *lowest = smaller(*lowest, flow->rate);
        }
    }
    for (int64_t i = 0; i < flows->count; i++) {
        struct flow *flow = &flows->flows[i];
        if (!flow->settled && is_settled(flows, flow))
            flow->settled = 2; /* in this round: its links are still as they were */
    }
    for (int64_t i = 0; i < flows->count; i++) {
        struct flow *flow = &flows->flows[i];
        unsettled += !flow->settled;
        for (int64_t l = 0; flow->settled == 2 && l < flow->path.count; l++) {
            flows->spare[flow->path.links[l]] -= flow->rate;
            flows->sharing[flow->path.links[l]]--;
        }
        flow->settled = flow->settled != 0;
    }
    return unsettled;
}

/* Whether all flows go on, or stand still, as they did. */
static int all_as_before(const struct flows *flows)
{
    if (flows->other)
        return 0;
    for (int64_t i = 0; i < flows->count; i++)
        if ((flows->flows[i].held > flows->now) != (flows->flows[i].rate == 0.0))
            return 0;
    return 1;
}

/* Finds when the next flow ends, or goes on. */
static void find_next(struct flows *flows)
{
    flows->next = INFINITY;
    for (int64_t i = 0; i < flows->count; i++) {
        const struct flow *flow = &flows->flows[i];
        if (flow->rate > 0.0)
            flows->next = smaller(flows->next, flow->end);
        else if (flow->held > flows->now) /* any other waits for what changes the shares */
            flows->next = smaller(flows->next, flow->held);
    }
    flows->changed = flows->other = 0;
}

void share_links(struct flows *flows)
{
    if (all_as_before(flows)) {
        find_next(flows);
        return;
    }
    for (int64_t i = 0; i < flows->count; i++)
        for (int64_t l = 0; l < flows->flows[i].path.count; l++) {
            int64_t link = flows->flows[i].path.links[l];
            flows->spare[link] = flows->in->link_bandwidth[link];
            flows->sharing[link] = 0;
        }
    for (int64_t i = 0; i < flows->count; i++) {
        struct flow *flow = &flows->flows[i];
        flow->settled = flow->held > flows->now;
        flow->rate = 0.0;
        for (int64_t l = 0; !flow->settled && l < flow->path.count; l++)
            flows->sharing[flow->path.links[l]]++;
    }
    while (settle(flows) > 0)
        ;
    for (int64_t i = 0; i < flows->count; i++) {
        struct flow *flow = &flows->flows[i];
        double seconds = flow->rate > 0.0 ? flow->left / flow->rate : INFINITY;
        flow->end = flows->now + ((seconds + flows->to_grid) - flows->to_grid);
    }
    find_next(flows);
}

int end_flow(struct flows *flows, struct flow *ended)
{
    advance(flows, flows->next);
    for (int64_t i = 0; i < flows->count; i++) {
        flows->changed |= flows->flows[i].held == flows->next;
        if (flows->flows[i].end > flows->next)
            continue;
        *ended = flows->flows[i];
        for (int64_t l = 0; l < ended->path.count; l++)
            flows->users[ended->path.links[l]]--;
        flows->count--;
        for (int64_t k = i; k < flows->count; k++)
            flows->flows[k] = flows->flows[k + 1];
        flows->changed = flows->other = 1;
        return 1;
    }
    return 0;
}
