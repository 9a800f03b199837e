/** Runs once, before all tests. */
import { makeTemplate } from "./seeded-database";

export default makeTemplate;
