// Where the mount keeps what PostgreSQL must reach but must not find: a directory of the root that listings hide.

export const HIDDEN_DIRECTORY = '.pbkfs';
/** Below it a directory for each tablespace, named by its OID. */
export const TABLESPACES = 'tablespaces';
export const TABLESPACES_PATH = `${HIDDEN_DIRECTORY}/${TABLESPACES}`;
/** Where the journal says the links of tablespaces are; nothing is served there. */
export const LINKS_PATH = `${HIDDEN_DIRECTORY}/links`;
