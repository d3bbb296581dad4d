/** What Chromium has and the types of the DOM do not know yet. */
interface Window {
  showDirectoryPicker?: (options: { id: string; mode: "read" }) => Promise<FileSystemDirectoryHandle>;
}

interface FileSystemHandle {
  queryPermission(wanted: { mode: "read" }): Promise<PermissionState>;
  requestPermission(wanted: { mode: "read" }): Promise<PermissionState>;
}

interface DataTransferItem {
  getAsFileSystemHandle?: () => Promise<FileSystemHandle | null>;
}
