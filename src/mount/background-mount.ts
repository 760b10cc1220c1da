// What the mount process loads once the process that holds the locks is starting.

export { runBackgroundMount } from './background.js';
export { serve } from './serve.js';
