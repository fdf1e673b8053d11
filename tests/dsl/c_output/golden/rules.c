/* ---- The mapper: before each statement stands its line and its text ---- */


HELPER void run_top_level(mapper_policy *p)
{
    (void)p;
}

static const task_rule TASK_RULES[] = {
    {"*", 2, (const int8_t[]){MAPPER_GPU, MAPPER_CPU}}, /* line 2 */
    {"checksum", 1, (const int8_t[]){MAPPER_CPU}}, /* line 3 */
    {NULL, 0, NULL}};

static const region_rule REGION_RULES[] = {
    {"*", "*", MAPPER_GPU, 2, (const int8_t[]){MAPPER_FBMEM, MAPPER_ZCMEM}}, /* line 4 */
    {"solve", "ghost", MAPPER_GPU, 1, (const int8_t[]){MAPPER_ZCMEM}}, /* line 5 */
    {"solve", "ghost", MAPPER_ANY_KIND, 1, (const int8_t[]){MAPPER_SYSMEM}}, /* line 6 */
    {NULL, NULL, MAPPER_ANY_KIND, 0, NULL}};

static const layout_rule LAYOUT_RULES[] = {
    {"*", "*", MAPPER_ANY_MEMORY, MAPPER_ANY_KIND, {1, 1, 0, 0, 0, "==", 128}}, /* line 7 */
    {"solve", "0", MAPPER_ANY_MEMORY, MAPPER_GPU, {1, 0, 1, 1, 1, "", 0}}, /* line 8 */
    {NULL, NULL, MAPPER_ANY_MEMORY, MAPPER_ANY_KIND, {0, 0, 0, 0, 0, "", 0}}};

static const limit_rule LIMIT_RULES[] = {
    {"solve", 4}, /* line 9 */
    {NULL, 0}};

static const collect_rule COLLECT_RULES[] = {
    {"solve", "*"}, /* line 10 */
    {NULL, NULL}};

static const replicate_rule REPLICATE_RULES[] = {
    {"top_level"}, /* line 11 */
    {NULL}};

static const map_rule INDEX_MAPS[] = {
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

static const map_rule SINGLE_MAPS[] = {
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

