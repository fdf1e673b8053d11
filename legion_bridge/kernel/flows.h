/* Flows: copies that share their links fairly, each at no more than a rate of its own. */
#ifndef MAPPERTUNE_FLOWS_H
#define MAPPERTUNE_FLOWS_H

#include "kernel.h"

struct flow {
    int64_t operation;
    double start, left, most; /* bytes left, and bytes a second at most */
    double held;              /* until when it stands still */
    double rate, end;         /* until the next flow begins, ends or is held */
    char settled;
    struct link_path path;
};

struct flows {
    const struct input *in;
    struct flow *flows; /* in the order in which they began */
    int64_t count, capacity;
    double now, next; /* to when they have gone on, and when the next of them ends or goes on */
    double to_grid;   /* rounds seconds: see execute.c */
    char changed;     /* since they shared their links */
    char other;       /* whether one began or ended since then */
    double *spare, *lowest; /* [links] bandwidth that nobody has yet; the least share on it */
    int64_t *sharing;       /* [links] flows that have no share yet */
    int64_t *users;         /* [links] flows whose path it is on */
};

/* 0 without memory. */
int open_flows(struct flows *flows, const struct input *in);
void close_flows(struct flows *flows);

/* Begins a flow that stands still until a time; 0 without memory. */
int begin_flow(struct flows *flows, double now, int64_t operation, const struct link_path *path,
               double bytes, double held);

/* Flows over a link stand still until a time: something else has it. */
void hold_flows(struct flows *flows, double now, int64_t link, double until);

/* Gives all flows their shares from now on. */
void share_links(struct flows *flows);

/* Takes out one flow that ends at `next`, in the order in which they began; 0 where none is left.
 * Those that were held until then go on. */
int end_flow(struct flows *flows, struct flow *ended);

#endif
